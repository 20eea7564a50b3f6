import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { keySlot } from '../../../source-connector/decode/key-slot.ts';
import { TestCluster } from '../../support/redis-cluster.ts';
import { openClusterPipeline } from '../../support/source/cluster-pipeline.ts';
import { person, type TestPipeline } from '../../support/source/pipeline.ts';
import { PATIENCE, type TestSource } from '../../support/source/source.ts';
import { until, untilEqual } from '../../support/until.ts';
import { shardsFollow } from '../../support/source/cluster-under-load.ts';

const OPERATIONS = ['=', '~', '+', '-'] as const;
type Sign = (typeof OPERATIONS)[number];

/** One command with an operation and an id, on a hash of Ann. */
interface Asked {
  readonly key: string;
  readonly sign: Sign;
}

/** Gives each key its operation, in turns. */
function asked(keys: readonly string[]): Asked[] {
  return keys.map((key, index) => ({ key, sign: OPERATIONS[index % 4] ?? '=' }));
}

async function openCluster(t: TestContext, replicas = 0) {
  const cluster = await TestCluster.start(t, { replicas });
  const mappings = { person: { ...person, operations: true } };
  const pipeline = await openClusterPipeline(t, cluster, { mappings });
  const source = pipeline.start();
  await shardsFollow(source, 3);
  return { cluster, pipeline, source };
}

/** Has the hashes exist, published. */
async function prepare({ client }: TestCluster, pipeline: TestPipeline, keys: readonly string[]): Promise<void> {
  for (const key of keys) await client.hset(key, 'name', 'Ann');
  const count = async (): Promise<number> => Object.keys(await pipeline.rows()).length;
  await untilEqual('the first rows', keys.length, count, PATIENCE);
}

async function ask({ client }: TestCluster, commands: readonly Asked[]): Promise<void> {
  for (const { key, sign } of commands) await client.hset(key, '#', `${sign}id`, 'name', 'Bob');
}

/** Waits until every client is told, and Redis and the topic are as the operations say; each once. */
async function assertDone({ client }: TestCluster, pipeline: TestPipeline, commands: readonly Asked[]): Promise<void> {
  const hashes = async (): Promise<unknown> =>
    Object.fromEntries(await Promise.all(commands.map(async ({ key }) => [key, await client.hgetall(key)])));
  const removed = (sign: Sign): boolean => sign === '~' || sign === '-';
  const expected = Object.fromEntries(commands.map(({ key, sign }) => [key, removed(sign) ? {} : { name: 'Bob' }]));
  await untilEqual('the hashes are as the operations say', expected, hashes, PATIENCE);
  const told = async (): Promise<unknown> =>
    Object.fromEntries(
      await Promise.all(
        commands.map(async ({ key }) => {
          const entries = await client.xrange(`{${key}}id`, '-', '+');
          return [key, entries.map(([, fields]) => fields.join(' '))];
        }),
      ),
    );
  const once = Object.fromEntries(commands.map(({ key }) => [key, ['status done sink source']]));
  await untilEqual('each client is told once', once, told, PATIENCE);
  const rows = Object.fromEntries(
    commands.flatMap(({ key, sign }) =>
      sign === '~' ? [] : [[key.slice('person:'.length), sign === '=' ? 'Bob,null' : 'Ann,null']],
    ),
  );
  await untilEqual('the rows are as the operations say', rows, () => pipeline.rows(), PATIENCE);
}

/** How often each key was told of in the topic, beside its first row. */
async function eventsOf(pipeline: TestPipeline): Promise<string[]> {
  return (await pipeline.told()).filter((line) => !line.startsWith('c ')).sort();
}

const SLOT = 5460;

/** Keys without braces, all of one slot. */
function keysOfSlot(slot: number, count: number): string[] {
  const keys: string[] = [];
  for (let n = 0; keys.length < count; n++) {
    if (keySlot(Buffer.from(`person:${n}`)) === slot) keys.push(`person:${n}`);
  }
  return keys;
}

test('rule 22: operations on keys of all shards, with braces too, are done and acknowledged once', async (t) => {
  const { cluster, pipeline, source } = await openCluster(t);
  const plain = Array.from({ length: 40 }, (_, n) => `person:${n}`);
  const braces = Array.from({ length: 12 }, (_, n) => `person:{x${n}}5`);
  const commands = asked([...plain, ...braces]);
  await prepare(cluster, pipeline, [...plain, ...braces]);
  await ask(cluster, commands);
  await assertDone(cluster, pipeline, commands);
  assert.deepEqual(warnings(source), []);
  await source.stop();
});

test('rules 10, 22: operations on keys of a slot that moves, before, in and after its move, are done and told once', async (t) => {
  const { cluster, pipeline, source } = await openCluster(t);
  const commands = asked(keysOfSlot(SLOT, 48));
  await prepare(
    cluster,
    pipeline,
    commands.map(({ key }) => key),
  );
  const from = await cluster.masterOfSlot(SLOT);
  const to = (await cluster.masters()).find(({ node }) => node !== from)?.node;
  assert.ok(to !== undefined);
  const parts = [0, 12, 24, 36].map((first) => commands.slice(first, first + 12));
  await Promise.all([ask(cluster, parts[0] ?? []), cluster.move(SLOT, from, to, 'half')]);
  await ask(cluster, parts[1] ?? []);
  const first = commands.slice(0, 24);
  await until(
    'what was asked for is done while the slot is half moved',
    async () => {
      for (const { key } of first) {
        if ((await cluster.client.hexists(key, '#')) === 1) throw new Error(`${key} has its # yet`);
        if ((await cluster.client.exists(`{${key}}id`)) === 0) throw new Error(`${key} is not acknowledged`);
      }
      return true;
    },
    PATIENCE,
  );
  await Promise.all([ask(cluster, parts[2] ?? []), cluster.move(SLOT, from, to)]);
  await ask(cluster, parts[3] ?? []);
  await assertDone(cluster, pipeline, commands);
  await until('the slot is its heir’s', () => logged(source, 'slots are published from this shard now'), PATIENCE);
  await assertDone(cluster, pipeline, commands);
  const expected = commands.flatMap(({ key, sign }) => {
    const id = key.slice('person:'.length);
    return sign === '=' ? [`u ${id} Bob,null`] : sign === '~' ? [`d ${id}`] : [];
  });
  const told = (await eventsOf(pipeline)).map((line) => line.replace(/ [A-Za-z]+$/, ''));
  assert.deepEqual(told, expected.sort(), 'each is told once');
  await source.stop();
});

test('rule 22: a master that is killed while operations wait for it is replaced, and they are done there, told once', async (t) => {
  const { cluster, pipeline, source } = await openCluster(t, 1);
  const keys = Array.from({ length: 400 }, (_, n) => `person:${n}`);
  const commands = asked(keys);
  await prepare(cluster, pipeline, keys);
  const [victim] = await cluster.masters();
  assert.ok(victim !== undefined);
  const { client } = victim.node;
  await Promise.all(commands.map((command) => ask(cluster, [command])));
  const offset = numberIn(await client.info('replication'), /master_repl_offset:(\d+)/);
  const isCopied = async (): Promise<boolean> =>
    numberIn(await client.info('replication'), /slave0:.*offset=(\d+)/) >= offset;
  await until('its replica has all commands', isCopied, { ...PATIENCE, everyMs: 1 });
  const waiting = await source.metrics.text();
  await cluster.killMaster(victim.node);
  t.diagnostic(`waiting: ${waiting.match(/source_effects_waiting\{.*/g)?.join('; ')}`);
  await assertDone(cluster, pipeline, commands);
  await source.stop();
});

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? -1);
}

function logged(source: TestSource, message: string): boolean {
  return source.lines.some(({ msg }) => msg === message);
}

/** What of operations had to wait. */
function warnings(source: TestSource): unknown[] {
  return source.lines.filter(({ msg }) => typeof msg === 'string' && /what operations want|acknowledged/.test(msg));
}
