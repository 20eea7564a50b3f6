import assert from 'node:assert/strict';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { ensureTopics, fetchClusterId, withAdmin, type TopicSpec } from '../../../clients/kafka/index.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { createTopic, deleteTopics, kafkaAt } from '../../support/kafka.ts';
import { uniqueName } from '../../support/names.ts';
import type { Scope } from '../../support/scope.ts';

const client = kafkaAt();
const ensure = (specs: readonly TopicSpec[]) => withAdmin(client, (admin) => ensureTopics(admin, specs));

function spec(scope: Scope, changes: Partial<TopicSpec> = {}): TopicSpec {
  const topic = uniqueName('topic');
  scope.after(() => deleteTopics(client, [topic]));
  return {
    topic,
    partitions: 3,
    replicationFactor: 1,
    cleanupPolicy: 'compact',
    deleteRetentionMs: 604_800_000,
    minCompactionLagMs: 3_600_000,
    maxMessageBytes: 2_000_000,
    ...changes,
  };
}

test('creates topics with explicit settings (rule 11), and accepts them afterwards', async (t) => {
  const specs = [spec(t), spec(t, { partitions: 1, cleanupPolicy: 'delete' })];
  assert.deepEqual(
    await ensure(specs),
    specs.map(({ topic }) => topic),
  );
  assert.deepEqual(await ensure(specs), []);
  const [first] = specs;
  assert.ok(first);
  const { resources } = await withAdmin(client, (admin) =>
    admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: first.topic }],
    }),
  );
  const settings = new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry]));
  for (const [name, value] of [
    ['cleanup.policy', 'compact'],
    ['delete.retention.ms', '604800000'],
    ['min.compaction.lag.ms', '3600000'],
    ['max.message.bytes', '2000000'],
  ] as const) {
    assert.equal(settings.get(name)?.configValue, value);
    // What is set is not the default of the moment, which an administrator may change.
    assert.equal(settings.get(name)?.isDefault, false);
  }
});

test('lets several processes create the same topics at once', async (t) => {
  const specs = [spec(t, { partitions: 20 }), spec(t)];
  const created = await Promise.all([ensure(specs), ensure(specs), ensure(specs)]);
  assert.deepEqual(created.flat().sort(), specs.map(({ topic }) => topic).sort());
});

test('accepts larger limits than asked for', async (t) => {
  const wide = spec(t);
  await ensure([wide]);
  const { topic, partitions, replicationFactor, cleanupPolicy } = wide;
  await ensure([
    { topic, partitions, replicationFactor, cleanupPolicy, deleteRetentionMs: 1000, minCompactionLagMs: 0 },
  ]);
});

test('names every problem of every topic at once', async (t) => {
  const wrong = await createTopic(t, { partitions: 2, settings: { 'cleanup.policy': 'compact,delete' } });
  const small = await createTopic(t, {
    partitions: 3,
    settings: { 'cleanup.policy': 'compact', 'max.message.bytes': '100' },
  });
  const impossible = spec(t, { replicationFactor: 99 });
  const fine = spec(t);
  await assert.rejects(ensure([spec(t, { topic: wrong }), spec(t, { topic: small }), impossible, fine]), (error) => {
    assert.ok(error instanceof AfterwriteError);
    assert.equal(error.code, 'TOPIC_MISCONFIGURED');
    assert.equal(error.recovery, 'stop');
    for (const problem of [
      `topic ${wrong} has 2 partitions, and must have 3`,
      `topic ${wrong} has cleanup.policy=compact,delete, and must have compact`,
      `topic ${wrong} has delete.retention.ms=86400000, and must have at least 604800000`,
      `topic ${wrong} has min.compaction.lag.ms=0, and must have at least 3600000`,
      `topic ${small} has max.message.bytes=100, and must have at least 2000000`,
      `topic ${impossible.topic} cannot be created: `,
    ]) {
      assert.ok(error.what.includes(problem), `${problem}\nnot in\n${error.what}`);
    }
    assert.ok(!error.what.includes(fine.topic));
    return true;
  });
});

test('tells the id of the cluster', async () => {
  assert.match(await withAdmin(client, fetchClusterId), /^[A-Za-z0-9_-]{22}$/);
});
