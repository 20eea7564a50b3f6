import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import {
  EnvelopeEncoder,
  envelopeSchemaOf,
  EventDecoder,
  KeyEncoder,
  keySchemaOf,
  type Mapping,
  RowEncoder,
} from '../../../schemas/index.ts';
import { decodeRecords } from '../../../sink-connector/decode/records.ts';
import { lastEvents } from '../../../sink-connector/merge/last-event.ts';
import { fetched, type SentRecord } from '../../support/event-record.ts';
import { sampleMapping } from '../../support/mapping.ts';

const wide = sampleMapping({ fields: { a: { column: 'a', type: 'string' }, b: { column: 'b', type: 'int' } } });
const narrow = sampleMapping({ fields: { b: { column: 'b', type: 'int' } } });

/** Schemas by id: the key's, those of both values, and one of somebody else's values. */
const foreign = {
  type: 'record',
  name: 'E',
  fields: [
    { name: 'source', type: { type: 'record', name: 'S', fields: [{ name: 'version', type: 'long' }] } },
    { name: 'op', type: 'string' },
  ],
};
const texts = [keySchemaOf(wide), envelopeSchemaOf(wide), envelopeSchemaOf(narrow), foreign].map((schema) =>
  JSON.stringify(schema),
);
const registry = {
  schemaById: (id: number) => {
    const text = texts[id];
    if (text !== undefined) return Promise.resolve(text);
    return Promise.reject(new AfterwriteError('SCHEMA_UNKNOWN', `There is no schema ${id}`));
  },
};

const keyOf = (id: number): Buffer => new KeyEncoder(wide, 0).encode([Buffer.from('eu'), Buffer.from(String(id))]);

/** An event of a key under a mapping. */
function sent(mapping: Mapping, schema: number, id: number, values: readonly string[], version: number): SentRecord {
  const row = new RowEncoder(mapping).encode(
    [Buffer.from('eu'), Buffer.from(String(id))],
    values.map((value) => Buffer.from(value)),
  );
  assert.ok(Buffer.isBuffer(row));
  const source = {
    name: 'shop',
    shard: 0,
    db: 0,
    key: Buffer.from('x'),
    replid: 'abc',
    offset: 1,
    command: 'HSET',
    snapshot: false,
    version,
    atMs: 5,
  } as const;
  const facts = { before: null, after: row, op: 'u', atMs: 6, transaction: null, source } as const;
  return { key: keyOf(id), value: Buffer.from(new EnvelopeEncoder(mapping, schema).encode(facts)), offset: version };
}

const first = sent(wide, 1, 1, ['x', '5'], 1);
const second = sent(narrow, 2, 2, ['7'], 2);
const again = sent(wide, 1, 1, ['y', '6'], 3);
const tombstone: SentRecord = { key: keyOf(2), value: null, offset: 4, headers: { 'afterwrite.version': '4' } };
/** What somebody else wrote: a delete of E { source: { version: 5 }, op: 'd' }. */
const byOthers: SentRecord = { key: keyOf(3), value: Buffer.from([0, 0, 0, 0, 3, 10, 2, 0x64]), offset: 5 };

async function decoded(lists: readonly (readonly SentRecord[])[], guarded = false) {
  const decoder = new EventDecoder(wide, registry);
  const places = lists.map((list) => list.map(fetched));
  return await decodeRecords(decoder, places, guarded);
}

test('events of several lists, schemas and kinds are read in their order, and as often as they are asked for', async () => {
  const { changes, failure } = await decoded([[first, second], [], [again, tombstone, byOthers]]);
  assert.equal(failure, undefined);
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(
      Array.from(changes, ({ offset, keyValues, values, version }) => [offset, keyValues[1], values, version]),
      [
        [1, 1, ['x', 5], 1n],
        [2, 2, [null, 7], 2n],
        [3, 1, ['y', 6], 3n],
        [4, 2, null, 4n],
        [5, 3, null, 5n],
      ],
    );
  }
  assert.equal(changes.at(5), undefined);
  assert.equal(changes.at(-1), undefined);
  const { upserts, deletes } = lastEvents(changes, false);
  assert.deepEqual(
    [upserts, deletes].map((set) => Array.from(set, ({ offset }) => offset)),
    [[3], [4, 5]],
  );
});

test('a batch is read up to the first bad record, whatever stands after it and whatever replaces it', async () => {
  const unknown: SentRecord = { key: keyOf(9), value: Buffer.from([0, 0, 0, 0, 99, 0]), offset: 7 };
  const cut: SentRecord = { key: keyOf(1), value: first.value?.subarray(0, -1) ?? null, offset: 8 };
  for (const [bad, code] of [
    [unknown, 'SCHEMA_UNKNOWN'],
    [cut, 'RECORD_UNREADABLE'],
  ] as const) {
    const { changes, failure } = await decoded([[first], [second, bad, again]]);
    assert.deepEqual(
      Array.from(changes, ({ offset }) => offset),
      [1, 2],
    );
    assert.deepEqual([failure?.offset, failure?.error.code], [bad.offset, code]);
  }
});

test('a table that keeps versions takes no tombstone without one', async () => {
  const { key, value, offset = 0 } = tombstone;
  const bare: SentRecord = { key, value, offset };
  assert.equal((await decoded([[first, bare]], true)).failure?.offset, offset);
  assert.equal((await decoded([[first, bare]], false)).failure, undefined);
});
