import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirtyKeys } from '../../../source-connector/capture/dirty-keys.ts';
import { KeyHistory } from '../../../source-connector/capture/key-history.ts';

const key = (name: string | number): Buffer => Buffer.from(`person:${name}`);

/** Why a read found nothing (or another type) after these events; `|` stands where the read was begun. */
function causeAfter(events: string, holds: 'nothing' | 'other' = 'nothing'): string | undefined {
  const dirty = new DirtyKeys({ keys: 10, bytes: 10_000 });
  const [before = '', later = ''] = events.split('|');
  for (const event of before.split(' ').filter(Boolean)) dirty.told(0, key(1), event, 0);
  const history = dirty.take(0, key(1), 0);
  for (const event of later.split(' ').filter(Boolean)) dirty.told(0, key(1), event, 0);
  return history.causeOf(holds);
}

test('events tell why a hash is gone', () => {
  const causes: Record<string, string | undefined> = {
    del: 'deleted',
    'hdel del': 'deleted',
    rename_from: 'deleted',
    move_from: 'deleted',
    expired: 'expired',
    evicted: 'evicted',
    'hset expire expired': 'expired',
    'hset hincrby persist': undefined,
    '': undefined,
    // A value of another type came and went.
    'expired set del': 'expired',
    'set expire expired': 'deleted',
    'sunionstore evicted': 'deleted',
    // Which values went when is not known.
    'del hset expired': 'ambiguous',
    'del hset del': 'deleted',
    'del new restore expired': 'ambiguous',
    // The read came before what was told while it was under way, or behind it.
    'hset | expired': 'expired',
    'del | hset expired': 'deleted',
    'hset | hset': undefined,
  };
  for (const [events, cause] of Object.entries(causes)) assert.equal(causeAfter(events), cause, events);
});

test('another type over a hash is a delete, whatever brought it', () => {
  for (const events of ['set', 'sortstore', 'rename_to', 'new restore', 'copy_to', 'hset | set', '']) {
    assert.equal(causeAfter(events, 'other'), 'deleted', events);
  }
  assert.equal(causeAfter('expired set', 'other'), 'expired');
});

test('a key waits once however often it is told of, and those that waited longest are read first', () => {
  const dirty = new DirtyKeys({ keys: 10, bytes: 10_000 });
  assert.equal(dirty.told(0, key(1), 'hset', 5), true);
  assert.equal(dirty.told(0, key(2), 'hset', 6), true);
  assert.equal(dirty.told(0, key(1), 'hdel', 7), false);
  assert.equal(dirty.told(3, key(1), 'hset', 8), true);
  assert.equal(dirty.size, 3);
  const taken = dirty.takeOldest(2);
  assert.deepEqual(
    taken.map((history) => [history.db, String(history.key), history.event, history.since]),
    [
      [0, 'person:1', 'hdel', 5],
      [0, 'person:2', 'hset', 6],
    ],
  );
  assert.equal(dirty.oldest, 5, 'what is being read is not in Kafka yet');
  for (const history of taken) dirty.settle(history);
  assert.equal(dirty.oldest, 8);
});

test('a key that is told of while it is read is read again', () => {
  const dirty = new DirtyKeys({ keys: 10, bytes: 10_000 });
  dirty.told(0, key(1), 'hset', 1);
  const [first] = dirty.takeOldest(10);
  assert.ok(first);
  assert.equal(dirty.has(0, key(1)), false);
  assert.equal(dirty.told(0, key(1), 'hset', 2), true);
  assert.equal(dirty.told(0, key(1), 'del', 3), false);
  assert.equal(dirty.size, 0, 'not before its read is over');
  assert.equal(dirty.has(0, key(1)), true);
  dirty.settle(first);
  const [second] = dirty.takeOldest(10);
  assert.ok(second instanceof KeyHistory);
  assert.deepEqual([second.event, second.since, second.causeOf('nothing')], ['del', 2, 'deleted']);
  dirty.settle(second);
  assert.equal(dirty.size, 0);
});

test('it holds no more than it may, and remembers that it could not', () => {
  const limits: [number, number][] = [
    [3, 1_000_000],
    [1000, 1500],
  ];
  for (const [keys, bytes] of limits) {
    const dirty = new DirtyKeys({ keys, bytes });
    for (let id = 0; id < 3; id++) dirty.told(0, key(id), 'hset', id);
    assert.equal(dirty.overflowed, false);
    dirty.told(0, key(0), 'hset', 4);
    assert.equal(dirty.overflowed, false, 'a key that waits needs no more room');
    for (let id = 3; id < 1000; id++) dirty.told(0, key(id), 'hset', id);
    assert.equal(dirty.size, 3);
    assert.equal(dirty.overflowed, true);
    dirty.comparing();
    assert.equal(dirty.overflowed, false);
    for (const history of dirty.takeOldest(10)) dirty.settle(history);
    dirty.told(0, key(7), 'hset', 9);
    assert.deepEqual([dirty.size, dirty.overflowed], [1, false], 'what was read makes room');
  }
});
