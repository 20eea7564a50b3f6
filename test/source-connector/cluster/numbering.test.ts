import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClusterNodes, type ClusterNode } from '../../../clients/redis/index.ts';
import { groupsOf, NOBODY, numbered, numbersOf, type Numbering } from '../../../source-connector/cluster/numbering.ts';
import { slotPlacesOf, topologyOf } from '../../../source-connector/cluster/topology.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';

const id = (letter: string): string => letter.repeat(40);
/** A line of CLUSTER NODES, as Redis 7.0 writes it. */
function line(letter: string, flags: string, master = '-', slots = '', epoch = 1): string {
  const port = 7000 + letter.charCodeAt(0);
  return `${id(letter)} 127.0.0.1:${port}@${port + 10000} ${flags} ${master} 0 1795736310752 ${epoch} connected${slots === '' ? '' : ` ${slots}`}`;
}

const nodesOf = (...lines: string[]): ClusterNode[] => parseClusterNodes(lines.join('\n'));
const look = (before: Numbering, ...lines: string[]): Numbering => numbered(groupsOf(nodesOf(...lines)), before, 64);
const shardsOf = ({ shards }: Numbering): string[] =>
  shards.map(({ shard, nodes }) => `${shard}:${nodes.map((node) => node[0]).join('')}`);

const three = [
  line('c', 'master', '-', '10923-16383'),
  line('a', 'myself,master', '-', '0-5460'),
  line('b', 'master', '-', '5461-10922'),
  line('x', 'slave', id('a')),
  line('y', 'slave', id('b')),
];

test('a line of CLUSTER NODES tells node, role, slots and moves', () => {
  const [node, moved] = nodesOf(
    `${id('a')} 10.0.0.1:7000@17000,host.name myself,master - 0 0 7 connected 0-5 9 [7->-${id('b')}] [8-<-${id('c')}]`,
    `${id('b')} [::1]:7001@17001 slave,fail? ${id('a')} 0 0 7 disconnected`,
  );
  assert.deepEqual(node, {
    id: id('a'),
    host: '10.0.0.1',
    port: 7000,
    role: 'master',
    isMyself: true,
    isDown: false,
    masterId: undefined,
    configEpoch: 7,
    slots: [
      [0, 5],
      [9, 9],
    ],
    migrating: new Map([[7, id('b')]]),
    importing: new Map([[8, id('c')]]),
  });
  assert.deepEqual([moved?.host, moved?.role, moved?.isDown, moved?.masterId], ['::1', 'replica', true, id('a')]);
  assert.deepEqual(nodesOf(line('a', 'handshake'), line('b', 'slave,noaddr', id('a'))), []);
});

test("rule 10: shards are numbered along their slots, once, and every slot is somebody's first", () => {
  const numbering = look(NOBODY, ...three);
  assert.deepEqual(shardsOf(numbering), ['0:ax', '1:by', '2:c']);
  assert.deepEqual(
    numbering.shards.map(({ first }) => first),
    [[[0, 5460]], [[5461, 10922]], [[10923, 16383]]],
  );
  assert.equal(look(numbering, ...three), numbering, 'nothing has changed');
});

test("rule 10: a promoted replica, whether seen before its master is gone or not, has its shard's number", () => {
  const numbering = look(NOBODY, ...three);
  const [c = '', , b = ''] = three;
  const failed = [c, b, line('y', 'slave', id('b'))];
  for (const old of ['master,fail', 'master', 'slave']) {
    const master = old === 'slave' ? id('x') : '-';
    const after = look(numbering, ...failed, line('a', old, master), line('x', 'master', '-', '0-5460', 4));
    assert.deepEqual(shardsOf(after), ['0:xa', '1:by', '2:c'], `while the old master is ${old}`);
  }
});

test('rule 10: a replica that was moved to another master and promoted there goes with that one', () => {
  const before = look(NOBODY, ...three);
  const [c = '', a = '', b = ''] = three;
  const moved = look(before, c, a, b, line('x', 'slave', id('b')), line('y', 'slave', id('b')));
  assert.deepEqual(shardsOf(moved), ['0:a', '1:bxy', '2:c']);
  const promoted = look(moved, c, a, line('x', 'master', '-', '5461-10922', 5), line('b', 'master,fail'));
  assert.deepEqual(shardsOf(promoted), ['0:a', '1:xby', '2:c']);
});

test('rule 10: a new master gets the next number, though it has no slots; one that gave all away keeps its own', () => {
  const before = look(NOBODY, ...three);
  const [c = '', , b = ''] = three;
  const grown = look(before, c, b, line('a', 'master'), line('d', 'master', '-', '0-5460', 9));
  assert.deepEqual(shardsOf(grown), ['0:ax', '1:by', '2:c', '3:d']);
  assert.deepEqual(grown.shards[3]?.first, [], "its slots were another's first");
  const follows = look(grown, c, b, line('d', 'master', '-', '0-5460', 9), line('a', 'slave', id('d')));
  assert.deepEqual(shardsOf(follows), ['0:x', '1:by', '2:c', '3:da'], 'the old master follows the new one');
  assert.deepEqual(
    [...numbersOf(groupsOf(nodesOf(c, b, line('d', 'master', '-', '0-5460'))), follows)],
    [
      [id('c'), 2],
      [id('b'), 1],
      [id('d'), 3],
    ],
  );
});

test('more masters than there are positions are refused', () => {
  assert.throws(
    () => numbered(groupsOf(nodesOf(...three)), NOBODY, 2),
    (error) => error instanceof AfterwriteError && error.code === 'CLUSTER_TOO_LARGE',
  );
});

test('a slot moves from the first SETSLOT to the last, whichever end tells', () => {
  const numbers = new Map(
    [
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ].map(([letter, n]) => [id(String(letter)), Number(n)]),
  );
  const view = (...lines: string[]) => ({ nodes: nodesOf(...lines), replid: 'r', offset: 0 });
  const still = view(line('a', 'myself,master', '-', '0-5'), line('b', 'master', '-', '6-9'));
  const other = view(line('a', 'master', '-', '0-5'), line('b', 'myself,master', '-', '6-9'));
  const places = (a: typeof still, b: typeof still | undefined) =>
    slotPlacesOf(topologyOf(new Map([[id('a'), a], ...(b === undefined ? [] : [[id('b'), b] as const])])), numbers);
  const none = places(still, other);
  assert.deepEqual([none.ownerOf(5), none.isMoving(5), none.ownerOf(6), none.ownerOf(10)], [0, false, 1, undefined]);
  const migrating = view(line('a', 'myself,master', '-', `0-5 [5->-${id('b')}]`));
  assert.deepEqual([places(migrating, other).isMoving(5), places(migrating, other).isMoving(4)], [true, false]);
  const importing = view(line('b', 'myself,master', '-', `6-9 [5-<-${id('a')}]`));
  assert.deepEqual([places(still, importing).isMoving(5), places(still, importing).ownerOf(5)], [true, 0]);
  const takes = view(line('b', 'myself,master', '-', '5-9', 2));
  assert.equal(places(still, takes).isMoving(5), true, 'both claim it');
  const gives = view(line('a', 'myself,master', '-', '0-4', 2));
  assert.deepEqual([places(gives, takes).isMoving(5), places(gives, takes).ownerOf(5)], [false, 1]);
  assert.equal(places(still, undefined).ownerOf(7), 1, 'what a master serves that does not answer, others tell');
});
