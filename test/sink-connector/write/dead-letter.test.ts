import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deadLetter, deadLetterKey } from '../../../sink-connector/write/dead-letter.ts';
import type { TargetTable } from '../../../sink-connector/write/port.ts';
import { persons, removal, upsert } from '../../support/sink/changes.ts';

const table: TargetTable = {
  ...persons,
  valueColumns: [
    { name: 'first', type: 'string' },
    { name: 'total', type: 'long' },
    { name: 'photo', type: 'bytes' },
    { name: 'share', type: 'double' },
    { name: 'gone', type: 'string' },
  ],
};
const place = { pipeline: 'shop', sink: 'warehouse' };
const partition = { topic: 'shop.person', partition: 3 };
const at = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const cause = Object.assign(new Error('value too long'), { code: '22001', detail: 'the row is this' });

test('a dead letter says why, where, and the whole row', () => {
  const change = upsert('5', ['b64:Zoë', 2n ** 60n, Buffer.from([0xff, 0]), Infinity, null], 7n, 4711);
  const letter: unknown = JSON.parse(deadLetter(place, table, partition, { change, cause }, at, 10_000).toString());
  assert.deepEqual(letter, {
    v: 1,
    reason: 'rejected-row',
    message: 'value too long: the row is this',
    code: '22001',
    mapping: 'person',
    topic: 'shop.person',
    key: '5',
    op: 'upsert',
    version: '7',
    sink: { pipeline: 'shop', name: 'warehouse', table: 'persons', partition: 3, offset: 4711 },
    at: '2026-01-02T03:04:05.006Z',
    recordKey: Buffer.from('5').toString('base64'),
    row: {
      person_id: '5',
      first: `b64:${Buffer.from('b64:Zoë').toString('base64')}`,
      total: '1152921504606846976',
      photo: 'b64:/wA=',
      share: 'Infinity',
      gone: null,
    },
  });
  assert.equal(deadLetterKey('warehouse', partition, 4711).toString(), 'warehouse:shop.person:3:4711');
});

test('the dead letter of a delete has the key only', () => {
  const letter = deadLetter(place, table, partition, { change: removal('5', 7n, 1), cause }, at, 10_000);
  assert.match(letter.toString(), /"op":"delete".*"row":\{"person_id":"5"\}\}$/);
});

test('a row that does not fit is told by its digest, and a key that does not by its own', () => {
  const wide = upsert('5', ['x'.repeat(2000), 1, null, 1, null]);
  const digest = deadLetter(place, table, partition, { change: wide, cause }, at, 1000);
  assert.ok(digest.length < 1000);
  assert.match(digest.toString(), /"key":"5".*"digest":\{"columns":6,"bytes":\d{4},"sha256":"[0-9a-f]{64}"\}\}$/);
  const long = upsert('k'.repeat(2000), ['x', 1, null, 1, null]);
  const hashed = deadLetter(place, table, partition, { change: long, cause }, at, 1000);
  assert.ok(hashed.length < 1000);
  assert.match(hashed.toString(), /"key":"sha256:[0-9a-f]{64}"/);
});
