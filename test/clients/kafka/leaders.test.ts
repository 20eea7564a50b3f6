import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionMetadata } from 'kafkajs';
import { LeaderGuard } from '../../../clients/kafka/leaders.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';

function ledBy(...leaders: number[]): PartitionMetadata[] {
  return leaders.map((leader, partitionId) => ({ partitionErrorCode: 0, partitionId, leader, replicas: [], isr: [] }));
}

/** What kafkajs does with a request: it asks the partitioner for every message. */
function request(guard: LeaderGuard, topics: Record<string, PartitionMetadata[]>, asked: [string, number][]): number[] {
  const partitioner = guard.partitioner();
  return asked.map(([topic, partition]) =>
    partitioner({ topic, partitionMetadata: topics[topic] ?? [], message: { partition, value: null } }),
  );
}

test('lets a request for one broker pass, with the partitions that its records name', () => {
  const guard = new LeaderGuard();
  guard.begin();
  const topics = { a: ledBy(1, 2, 1), b: ledBy(2, 1) };
  assert.deepEqual(
    request(guard, topics, [
      ['a', 2],
      ['a', 0],
      ['b', 1],
    ]),
    [2, 0, 1],
  );
  assert.equal(guard.tripped, false);
});

test('stops a request for two brokers before anything is sent, and not for kafkajs to try again', () => {
  const guard = new LeaderGuard();
  guard.begin();
  assert.throws(
    () =>
      request(guard, { a: ledBy(1, 2) }, [
        ['a', 0],
        ['a', 1],
      ]),
    { retriable: false },
  );
  assert.equal(guard.tripped, true);
});

test('splits by the leaders that it has seen', () => {
  const guard = new LeaderGuard();
  guard.begin();
  request(guard, { a: ledBy(1, 2, 1) }, [['a', 0]]);
  const parts = [0, 1, 2].map((partition) => ({ topic: 'a', partition }));
  const unseen = [
    { topic: 'b', partition: 0 },
    { topic: 'b', partition: 1 },
  ];
  assert.deepEqual(guard.split([...parts, ...unseen]), [[parts[0], parts[2]], [parts[1]], unseen]);
});

test('stops the retry of a request whose partitions have got other leaders meanwhile', () => {
  const guard = new LeaderGuard();
  guard.begin();
  request(guard, { a: ledBy(1, 1) }, [
    ['a', 0],
    ['a', 1],
  ]);
  const moved = { a: ledBy(1, 2) };
  assert.throws(
    () =>
      request(guard, moved, [
        ['a', 0],
        ['a', 1],
      ]),
    { retriable: false },
  );
  const parts = [0, 1].map((partition) => ({ topic: 'a', partition }));
  assert.deepEqual(guard.split(parts), [[parts[0]], [parts[1]]]);
  guard.begin();
  assert.deepEqual(request(guard, moved, [['a', 1]]), [1]);
});

test('stops a record for a partition that the topic has not, which kafkajs would drop', () => {
  const guard = new LeaderGuard();
  guard.begin();
  const isMissing = (error: unknown) => error instanceof AfterwriteError && error.code === 'TOPIC_MISSING';
  assert.throws(() => request(guard, { a: ledBy(1, 1) }, [['a', 2]]), isMissing);
  assert.equal(guard.tripped, false);
});
