import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAUSE_HEADER, envelopeSchemaOf, partitionOf, VERSION_HEADER } from '../../../schemas/index.ts';
import { avroType } from '../../../schemas/avro-type.ts';
import type { Change } from '../../../source-connector/fold/change.ts';
import { keptMark } from '../../../source-connector/mark.ts';
import { packHash } from '../../../source-connector/packed-hash.ts';
import type { MappingView } from '../../../source-connector/record/mapping-view.ts';
import { Recorder } from '../../../source-connector/record/recorder.ts';
import { PartitionedBatch } from '../../../source-connector/send/outgoing-batch.ts';
import { sampleMapping } from '../../support/mapping.ts';
import { viewOf } from '../../support/source/view.ts';

interface Appended {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | string>> | undefined;
}

const mapping = sampleMapping({ before: true });
const view = viewOf(mapping);
const key = Buffer.from('sample:eu:42');

function setUp(version = 0, maxRecordBytes = 1_048_576) {
  const appended: Appended[] = [];
  const told: string[] = [];
  // The real batch refuses what Kafka would refuse.
  const batch = new PartitionedBatch(maxRecordBytes);
  const recorder = new Recorder({
    pipeline: 'shop',
    shard: 3,
    topics: { marks: 'marks', deadLetters: 'letters' },
    maxRecordBytes,
    version,
    batch: () => ({
      append: (topic, partition, key, value, headers) => {
        batch.append(topic, partition, key, value, headers);
        appended.push({ topic, partition, key, value, headers });
      },
    }),
    effect: ({ version, failure, value }) => told.push(`${value?.toString()} ${version} ${failure}`),
    news: {
      event: (name, op) => told.push(`${name} ${op}`),
      removal: (name, { cause, policy }) => told.push(`${name} ${cause} ${policy}`),
      rejected: (name, db, rejected, problem) => told.push(`${name} ${db} ${rejected} ${problem}`),
    },
  });
  Object.assign(recorder, { at: 1_700_000_000_000, replid: 'r1', offset: 100, command: 'HSET' });
  return { recorder, appended, told };
}

function rowOf(text: string): Buffer {
  const reading = view.read(key, packHash([['text', text]]), 0);
  assert.ok(reading.kind === 'row');
  return Buffer.from(reading.row);
}

function changeTo(text: string | null, more: Partial<Change<MappingView>> = {}): Change<MappingView> {
  const op = text === null ? 'd' : 'u';
  const rows = { before: rowOf('before'), after: text === null ? null : rowOf(text) };
  return { view, db: 0, key, op, ...rows, command: text === null ? 'expired' : 'HSET', ...more };
}

/** What an event says, in plain objects instead of avsc's classes. */
function envelope({ value }: Pick<Appended, 'value'>): Record<string, unknown> {
  assert.ok(value !== null);
  const event: unknown = avroType(JSON.stringify(envelopeSchemaOf(mapping))).fromBuffer(value.subarray(5));
  return { ...structuredClone(event ?? {}) };
}

function sourceOf(record: Appended): Record<string, unknown> {
  const { source } = envelope(record);
  assert.ok(typeof source === 'object' && source !== null);
  return { ...source };
}

test('an event tells the row before and after, the place and the cause', () => {
  const { recorder, appended, told } = setUp();
  recorder.change(changeTo('after', { db: 5, command: 'RENAME' }));
  const [record, ...others] = appended;
  assert.ok(record !== undefined && others.length === 0);
  assert.equal(record.topic, mapping.topic);
  assert.deepEqual(record.key, view.encodeKey(key));
  assert.equal(record.partition, partitionOf(record.key, 4));
  const { before, after, op, ts_ms: at, transaction, source } = envelope(record);
  const nulls = { an_int: null, a_long: null, a_double: null, a_boolean: null, a_time: null };
  const row = (text: string) => ({ region: 'eu', id: 42, a_text: text, ...nulls });
  assert.deepEqual(
    { before, after, op, at, transaction },
    { before: row('before'), after: row('after'), op: 'u', at: recorder.at, transaction: null },
  );
  assert.deepEqual(source, {
    connector: 'afterwrite',
    name: 'shop',
    shard: 3,
    db: 5,
    key: new Uint8Array(key),
    replid: 'r1',
    offset: 100,
    command: 'RENAME',
    snapshot: 'false',
    version: recorder.version,
    ts_ms: recorder.at,
  });
  assert.deepEqual(told, ['sample u']);
});

test('versions rise strictly: with the clock, while it stands still, when it goes back, and over a restart', () => {
  const { recorder, appended } = setUp();
  for (const at of [1000, 1000, 1000, 999, 1, 1001]) {
    recorder.at = at;
    recorder.change(changeTo(`at ${at}`));
  }
  assert.deepEqual(
    appended.map((record) => sourceOf(record)['version']),
    [1_000_000, 1_000_001, 1_000_002, 1_000_003, 1_000_004, 1_001_000],
  );
  const next = setUp(recorder.version);
  next.recorder.at = 500;
  next.recorder.change(changeTo('after a restart'));
  assert.equal(next.recorder.version, 1_001_001);
});

test('rule 11: a delete is followed by a tombstone with version and cause in its headers', () => {
  const { recorder, appended } = setUp();
  recorder.change(changeTo(null));
  const [event, tombstone, ...others] = appended;
  assert.ok(event !== undefined && tombstone !== undefined && others.length === 0);
  assert.equal(envelope(event)['op'], 'd');
  assert.equal(envelope(event)['after'], null);
  assert.equal(sourceOf(event)['command'], 'expired');
  assert.equal(event.headers, undefined);
  assert.deepEqual(
    { ...tombstone, headers: { ...tombstone.headers } },
    { ...event, value: null, headers: { [VERSION_HEADER]: String(recorder.version), [CAUSE_HEADER]: 'expired' } },
  );
});

test('events of a MULTI carry its id and their place in it, in all and among their mapping', () => {
  const { recorder, appended } = setUp();
  const cars = viewOf(sampleMapping({ topic: 'shop-eu.cars', before: true }, 'cars'));
  recorder.change(changeTo('outside'));
  recorder.beginTransaction(70);
  recorder.change(changeTo('1'));
  recorder.change(changeTo('2', { view: cars }));
  recorder.change(changeTo(null));
  recorder.endTransaction();
  recorder.change(changeTo('outside'));
  recorder.beginTransaction(200);
  recorder.change(changeTo('3'));
  const block = (id: string, inAll: number, ofMapping: number) => ({
    id,
    total_order: inAll,
    data_collection_order: ofMapping,
  });
  assert.deepEqual(
    appended.filter(({ value }) => value !== null).map((record) => envelope(record)['transaction']),
    [null, block('r1:70', 1, 1), block('r1:70', 2, 1), block('r1:70', 3, 2), null, block('r1:200', 1, 1)],
  );
});

test('events of a snapshot say so, and belong to no MULTI that a broken link left open', () => {
  const { recorder, appended } = setUp();
  recorder.beginTransaction(70);
  recorder.beginSnapshot('r2', 500);
  recorder.change(changeTo('1', { op: 'r', before: null, command: recorder.command }));
  recorder.endSnapshot();
  recorder.change(changeTo('2'));
  const facts = appended.map((record) => {
    const { snapshot, replid, offset, command } = sourceOf(record);
    return [snapshot, replid, offset, command, envelope(record)['transaction']];
  });
  assert.deepEqual(facts, [
    ['true', 'r2', 500, 'SNAPSHOT', null],
    ['false', 'r2', 500, 'HSET', null],
  ]);
});

test('marks stand in the partition of the shard, under database and key, and are taken away by a tombstone', () => {
  const { recorder, appended, told } = setUp();
  recorder.marked(view, 2, key, keptMark('flushed'));
  recorder.marked(view, 2, key, null);
  recorder.removed(view, { cause: 'flushed', policy: 'keep' });
  assert.deepEqual(
    appended.map(({ topic, partition, key, value }) => [topic, partition, key.toString(), value?.toString()]),
    [
      ['marks', 3, '2:sample:eu:42', '{"v":1,"mapping":"sample","kept":"flushed"}'],
      ['marks', 3, '2:sample:eu:42', undefined],
    ],
  );
  assert.deepEqual(told, ['sample flushed keep']);
});

test('a rejected hash is a dead letter that names the place', () => {
  const { recorder, appended, told } = setUp();
  const problem = { reason: 'key-does-not-fit', pattern: 'sample:{region}:{id}' } as const;
  recorder.rejected(view, 2, Buffer.from('sample:x'), packHash([['text', 'a']]), problem);
  const [letter] = appended;
  assert.ok(letter?.value != null);
  assert.deepEqual([letter.topic, letter.partition, letter.key.toString()], ['letters', 0, 'sample:2:sample:x']);
  const said: unknown = JSON.parse(letter.value.toString());
  assert.ok(typeof said === 'object' && said !== null && 'source' in said);
  assert.deepEqual(said.source, { pipeline: 'shop', shard: 3, replid: 'r1', offset: 100, command: 'HSET' });
  assert.deepEqual(told, ['sample 2 sample:x the key does not fit the pattern sample:{region}:{id}']);
});

test('rule 13: neither a dead letter nor a mark is ever larger than a record may be', () => {
  const { recorder, appended } = setUp(0, 4000);
  const problem = { reason: 'too-large', bytes: 5000, limit: 4000 } as const;
  const named = Buffer.from(`sample:${'k'.repeat(300)}`);
  for (let length = 0; length < 2000; length += 10) {
    // A byte that takes six in JSON.
    recorder.rejected(view, 0, named, packHash([['text', '\x01'.repeat(length)]]), problem);
  }
  const hashes = appended.map(({ value }) => value?.includes('"hash":') === true);
  assert.ok(hashes[0] === true && hashes.at(-1) === false, 'small ones are told in full, large ones by their digest');
  const endless = Buffer.from(`sample:${'k'.repeat(5000)}`);
  recorder.rejected(view, 0, endless, packHash([['text', 'x']]), problem);
  recorder.marked(view, 0, endless, keptMark('expired'));
});
