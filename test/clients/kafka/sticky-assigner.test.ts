import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AssignerProtocol, Kafka } from 'kafkajs';
import { spread, stickyAssigner, type MemberClaims } from '../../../clients/kafka/index.ts';

const claims = (busy: number[], held: [partition: number, running: boolean, since: number][] = []): MemberClaims => ({
  busy,
  held: held.map(([partition, running, since]) => ({ partition, running, since })),
});

test('who works on a partition keeps it when others join', () => {
  const given = spread(
    [0, 1, 2, 3],
    new Map([
      ['b', claims([0], [[0, true, 1]])],
      ['a', claims([0])],
      ['c', claims([])],
    ]),
  );
  assert.ok(given.get('b')?.includes(0));
});

test('of two that say they work on a partition, the later one does; of those that did, the last one gets it', () => {
  const zombie = claims([0], [[0, true, 1]]);
  const heir = claims([0], [[0, true, 2]]);
  assert.deepEqual(
    spread(
      [0],
      new Map([
        ['a', zombie],
        ['b', heir],
      ]),
    ),
    new Map([
      ['a', []],
      ['b', [0]],
    ]),
  );
  const long = claims([0], [[0, false, 1]]);
  const lately = claims([0], [[0, false, 2]]);
  assert.deepEqual(
    spread(
      [0],
      new Map([
        ['a', long],
        ['b', lately],
      ]),
    ),
    new Map([
      ['a', []],
      ['b', [0]],
    ]),
  );
  assert.deepEqual(
    spread(
      [0],
      new Map([
        ['a', long],
        ['b', claims([])],
      ]),
    ),
    new Map([
      ['a', [0]],
      ['b', []],
    ]),
  );
  const owner = claims([0], [[0, true, 1]]);
  assert.deepEqual(
    spread(
      [0],
      new Map([
        ['a', owner],
        ['b', lately],
      ]),
    ),
    new Map([
      ['a', [0]],
      ['b', []],
    ]),
  );
});

test('the busy partitions are spread evenly by themselves, and only as many move as have to', () => {
  const one = claims(
    [0, 5, 6, 7],
    [
      [0, true, 1],
      [5, true, 1],
      [6, true, 1],
      [7, true, 1],
    ],
  );
  const given = spread(
    [0, 1, 2, 3, 4, 5, 6, 7],
    new Map([
      ['b', one],
      ['a', claims([])],
    ]),
  );
  const busy = (member: string): number[] =>
    (given.get(member) ?? []).filter((partition) => one.busy.includes(partition));
  assert.deepEqual(
    [busy('b'), busy('a')],
    [
      [0, 5],
      [6, 7],
    ],
  );
});

const someClaims = fc.record({
  busy: fc.array(fc.integer({ min: 0, max: 20 })),
  held: fc.array(
    fc.record({
      partition: fc.integer({ min: 0, max: 20 }),
      running: fc.boolean(),
      since: fc.integer({ min: 0, max: 9 }),
    }),
  ),
});

test('whatever members tell, each partition has one member, none has two more busy ones than another, and a second meeting moves nothing', () => {
  const groups = fc
    .dictionary(fc.string(), someClaims, { minKeys: 1, maxKeys: 6 })
    .map((all) => new Map(Object.entries(all)));
  fc.assert(
    fc.property(groups, fc.integer({ min: 0, max: 20 }), (members, count) => {
      const partitions = Array.from({ length: count }, (_, number) => number);
      const given = spread(partitions, members);
      assert.deepEqual(
        [...given.values()].flat().sort((a, b) => a - b),
        partitions,
      );
      const all = new Set([...members.values()].flatMap(({ busy }) => busy));
      const loads = [...given.values()].map((share) => share.filter((partition) => all.has(partition)).length);
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1);
      const settled = new Map(
        [...given].map(([member, share]) => [
          member,
          {
            busy: members.get(member)?.busy ?? [],
            held: share.map((partition) => ({ partition, running: true, since: 10 })),
          },
        ]),
      );
      assert.deepEqual(spread(partitions, settled), given);
    }),
    { numRuns: 200 },
  );
});

test('claims travel with the protocol of the group, and those that cannot be read count for nothing', async () => {
  let made: ReturnType<ReturnType<typeof stickyAssigner>> | undefined;
  const assigner = stickyAssigner('t', () => claims([1], [[1, true, 3]]));
  new Kafka({ brokers: ['127.0.0.1:1'] }).consumer({
    groupId: 'g',
    partitionAssigners: [
      (given) => {
        const metadata = [0, 1].map((partitionId) => ({
          partitionErrorCode: 0,
          partitionId,
          leader: 1,
          replicas: [],
          isr: [],
        }));
        const cluster = { ...given.cluster, findTopicPartitionMetadata: () => metadata };
        made = assigner({ ...given, cluster });
        return made;
      },
    ],
  });
  assert.ok(made !== undefined);
  const { metadata } = made.protocol({ topics: ['t'] });
  const strange = AssignerProtocol.MemberMetadata.encode({ version: 0, topics: ['t'], userData: Buffer.from('{') });
  const given = await made.assign({
    members: [
      { memberId: 'a', memberMetadata: strange },
      { memberId: 'b', memberMetadata: metadata },
    ],
    topics: ['t'],
  });
  const partitions = given.map(({ memberId, memberAssignment }) => [
    memberId,
    AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment['t'],
  ]);
  assert.deepEqual(Object.fromEntries(partitions), { a: [0], b: [1] });
});
