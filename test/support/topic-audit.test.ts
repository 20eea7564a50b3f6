import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditTopic } from './topic-audit.ts';
import type { Envelope, TopicRecord } from './topic-history.ts';

/** A history of one partition: create, change, delete with tombstone, create again. */
function history(): TopicRecord[] {
  return [
    event({ op: 'r', version: 10, offset: 5, after: { a: 1 }, snapshot: true }),
    event({ op: 'u', version: 11, offset: 9, after: { a: 2 }, before: { a: 1 } }),
    event({ op: 'd', version: 12, offset: 9, after: null }),
    { ...event({}), event: null, headers: { version: 12, cause: 'deleted', acknowledge: undefined } },
    event({ op: 'c', version: 13, offset: 14, after: { a: 2 } }),
  ].map((record, offset) => ({ ...record, offset }));
}

function event(change: Partial<Envelope>): TopicRecord {
  const plain = { op: 'c', before: null, after: null, version: 0, replid: 'm', offset: 0, snapshot: false };
  return {
    partition: 0,
    offset: 0,
    key: '01',
    keyRow: { id: 'x' },
    event: { ...plain, ...change },
    headers: { version: undefined, cause: undefined, acknowledge: undefined },
  };
}

function replaced(index: number, change: Partial<Envelope>): TopicRecord[] {
  return history().map((record, at) =>
    at === index && record.event !== null ? { ...record, event: { ...record.event, ...change } } : record,
  );
}

/** With one record a second time, under a version of its own unless told. */
function repeated(index: number, change: Partial<Envelope>): TopicRecord[] {
  const records = history();
  const [record] = records.slice(index, index + 1);
  assert.ok(record?.event != null);
  return [
    ...records.slice(0, index + 1),
    { ...record, event: { ...record.event, ...change } },
    ...records.slice(index + 1),
  ];
}

test('a right history passes, and its last event is known', () => {
  const { events, ops, last } = auditTopic('t', history());
  assert.equal(events, 4);
  assert.deepEqual(ops, { r: 1, u: 1, d: 1, c: 1 });
  assert.deepEqual(last.get('01'), { keyRow: { id: 'x' }, version: 13, after: { a: 2 } });
});

test('the audit of a topic finds each kind of fault', () => {
  const faults: [TopicRecord[], RegExp][] = [
    [repeated(1, {}), /version 11 does not rise/],
    [replaced(1, { version: 10 }), /version 10 does not rise/],
    [repeated(0, { version: 10.5 }), /makes a row that was there/],
    [repeated(1, { version: 11.5, before: { a: 2 } }), /says what the event before it said/],
    [replaced(1, { before: { a: 3 } }), /before is what the last event said/],
    [replaced(0, { op: 'u' }), /changes a row that was not there/],
    [replaced(0, { op: 'd', after: null }), /followed by its tombstone/],
    [replaced(2, { op: 'u', after: { a: 9 } }), /a tombstone follows the delete/],
    [replaced(2, { version: 11.5 }), /has the version of its delete/],
    [replaced(4, { offset: 8 }), /goes back from 9 to 8/],
    [history().slice(1), /changes a row that was not there/],
  ];
  for (const [records, expected] of faults) assert.throws(() => auditTopic('t', records), expected);
});

test('places in the stream are compared within one replid only', () => {
  auditTopic('t', replaced(4, { offset: 1, replid: 'another master' }));
});
