import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withAdmin } from '../../clients/kafka/index.ts';
import { kafkaAt } from '../support/kafka.ts';
import { shared } from '../support/servers.ts';
import { car, person, TestPipeline, type ConfigParts } from '../support/source/pipeline.ts';
import type { Scope } from '../support/scope.ts';
import { PATIENCE } from '../support/source/source.ts';
import { until } from '../support/until.ts';

const keyed = { ...person, key: 'person:{id}', keyTypes: { id: 'int' } };

async function published(t: Scope, mappings: Readonly<Record<string, object>>): Promise<TestPipeline> {
  const pipeline = await TestPipeline.open(t, { mappings });
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann', 'age', 1, 'city', 'Bern');
  await client.hset('person:2', 'name', 'Bob');
  await client.hset('car:1', 'color', 'red');
  const source = pipeline.start();
  await source.caughtUp();
  await source.stop();
  return pipeline;
}

async function refused(pipeline: TestPipeline, changes: ConfigParts, code: string, what: RegExp): Promise<void> {
  const before = await pipeline.position();
  const error = await pipeline.start(changes).failed();
  assert.equal(error.code, code);
  assert.match(error.message, what);
  assert.deepEqual(await pipeline.position(), before);
}

test('rule 12: other key types of a topic are refused, and the old ones go on', async (t) => {
  const pipeline = await published(t, { person: keyed });
  // The registry lets an int become a long; the partition of a key would change all the same.
  const long = { ...keyed, keyTypes: { id: 'long' } };
  await refused(pipeline, { mappings: { person: long } }, 'KEY_CHANGED', /its key schema had id \d+ and now has \d+/);
  const source = pipeline.start();
  await pipeline.redis.client.hset('person:1', 'age', 2);
  await source.caughtUp();
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
  assert.deepEqual(await pipeline.told('person', 2), ['u 1 Ann,2 HSET']);
});

test('rule 12: key types that the registry finds incompatible are refused', async (t) => {
  const pipeline = await published(t, { person: keyed });
  const text = { ...keyed, keyTypes: {} };
  await refused(pipeline, { mappings: { person: text } }, 'SCHEMA_INCOMPATIBLE', /person-key/);
});

test('rule 12: another partition count is refused, in the configuration and in Kafka', async (t) => {
  const pipeline = await published(t, { person });
  const eight = { kafka: { topics: { partitions: 8 } } };
  await refused(pipeline, eight, 'TOPIC_MISCONFIGURED', /has 2 partitions, and must have 8/);
  const { topic = '' } = pipeline.config().mappings['person'] ?? {};
  await withAdmin(kafkaAt(), async (admin) => {
    // kafkajs stumbles over the answer of Kafka 4 after the work is done.
    await admin.createPartitions({ topicPartitions: [{ topic, count: 8 }] }).catch(() => undefined);
    const made = async (): Promise<boolean> =>
      (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions.length === 8;
    await until('eight partitions', made, PATIENCE);
  });
  await refused(pipeline, {}, 'TOPIC_MISCONFIGURED', /has 8 partitions, and must have 2/);
  await refused(pipeline, eight, 'KEY_CHANGED', /it had 2 partitions and now is to have 8/);
});

test('a mapping with one more field tells each row anew with it, under a schema that older readers may follow', async (t) => {
  const pipeline = await published(t, { person });
  const { client } = pipeline.redis;
  await client.del('person:2');
  await client.hset('person:3', 'name', 'Cleo');
  const grown = { person: { ...person, fields: { ...person.fields, city: 'city' } } };
  const source = pipeline.start({ mappings: grown });
  await source.caughtUp();
  // The state has whole hashes: each row is told with the new column, and the stream goes on.
  assert.deepEqual((await pipeline.told('person', 2)).sort(), [
    'c 3 Cleo,null,null HSET',
    'd 2 deleted',
    'u 1 Ann,1,Bern SNAPSHOT',
    'u 2 Bob,null,null SNAPSHOT',
  ]);
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
  await client.hset('person:1', 'city', 'Basel');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told('person', 6), ['u 1 Ann,1,Basel HSET']);
  const { topic = '' } = pipeline.config().mappings['person'] ?? {};
  const subject = `${shared('registry')}/subjects/${encodeURIComponent(`${topic}-value`)}`;
  assert.deepEqual(await (await fetch(`${subject}/versions`)).json(), [1, 2]);
  const level = await fetch(subject.replace('/subjects/', '/config/'));
  assert.deepEqual(await level.json(), { compatibilityLevel: 'BACKWARD' });
  await source.stop();
  const next = pipeline.start({ mappings: grown });
  await next.caughtUp();
  assert.deepEqual(await next.links(), { continued: 1, full: 0 });
});

test('a field of another type is refused by the registry, and nothing is told', async (t) => {
  const pipeline = await published(t, { person });
  const retyped = { person: { ...person, fields: { name: 'name', age: { type: 'string' } } } };
  await refused(pipeline, { mappings: retyped }, 'SCHEMA_INCOMPATIBLE', /person-value/);
});

test('a mapping more is filled beside the stream; one less tells no deletes, and is caught up when it is back', async (t) => {
  const pipeline = await published(t, { person });
  const { client } = pipeline.redis;
  const more = { mappings: { person, car } };
  const both = pipeline.start(more);
  await both.caughtUp();
  assert.equal((await pipeline.events()).length, 2);
  await both.stop();
  const laid = await TestPipeline.open(t, { ...more, pipeline: pipeline.config().pipeline }, { redis: pipeline.redis });
  assert.deepEqual(await laid.told('car'), ['r 1 red SNAPSHOT']);
  const less = pipeline.start();
  await less.caughtUp();
  await client.del('car:1');
  await client.hset('car:2', 'color', 'blue');
  await less.caughtUp();
  await less.stop();
  assert.deepEqual(await laid.told('car'), ['r 1 red SNAPSHOT']);
  const again = pipeline.start(more);
  await again.caughtUp();
  for (const source of [both, less, again]) assert.deepEqual(await source.links(), { continued: 1, full: 0 });
  assert.deepEqual((await laid.told('car', 1)).sort(), ['d 1 vanished', 'r 2 blue SNAPSHOT']);
  assert.equal((await pipeline.events()).length, 2);
});

test('schemas are Debezium envelopes whose names end in Envelope', async (t) => {
  const pipeline = await published(t, { person });
  const { topic = '' } = pipeline.config().mappings['person'] ?? {};
  const response = await fetch(
    `${shared('registry')}/subjects/${encodeURIComponent(`${topic}-value`)}/versions/latest`,
  );
  const latest: unknown = await response.json();
  assert.ok(typeof latest === 'object' && latest !== null && 'schema' in latest);
  const schema: unknown = JSON.parse(String(latest.schema));
  assert.ok(typeof schema === 'object' && schema !== null && 'name' in schema && 'fields' in schema);
  assert.equal(schema.name, 'Envelope');
  assert.ok(Array.isArray(schema.fields));
  assert.deepEqual(
    schema.fields.map((field: { name: string }) => field.name),
    ['before', 'after', 'source', 'op', 'ts_ms', 'transaction'],
  );
});
