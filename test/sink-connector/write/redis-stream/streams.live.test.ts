import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { projectFolder } from '../../../../services/folders.ts';
import { keySlot } from '../../../../source-connector/decode/key-slot.ts';
import type { Dialect, OutboxRow, StoredOffset, TargetTable } from '../../../../sink-connector/write/port.ts';
import { createDialect } from '../../../../sink-connector/write/registry.ts';
import { everyEvent } from '../../../../sink-connector/merge/every-event.ts';
import type { Change } from '../../../../sink-connector/decode/change.ts';
import { StreamDatabase } from '../../../contract/bindings/redis-stream.ts';
import { startRedis } from '../../../support/redis.ts';
import { TestCluster } from '../../../support/redis-cluster.ts';
import { persons, removal, upsert } from '../../../support/sink/changes.ts';
import { sinkConfig } from '../../../support/sink/worker.ts';

process.env['AFTERWRITE_TEST_KAFKA'] ??= '127.0.0.1:1';
process.env['AFTERWRITE_TEST_REGISTRY'] ??= 'http://127.0.0.1:1';

const created = { create: true, evolve: false };

async function dialectOf(options: Readonly<Record<string, unknown>>): Promise<Dialect> {
  const sink = sinkConfig({ database: { sinkOptions: { kind: 'redis-stream', ...options } } }).sinks['warehouse'];
  assert.ok(sink !== undefined);
  return await createDialect('warehouse', sink);
}

/** Writes one batch into partition 0, as a worker that has just claimed it. */
async function write(
  t: TestContext,
  dialect: Dialect,
  table: TargetTable,
  changes: readonly Change[],
  outbox: readonly OutboxRow[] = [],
): Promise<void> {
  const session = await dialect.connect();
  t.after(() => session.close());
  const place = { topic: table.topic, partition: 0 };
  const { owner, epoch, nextOffset } = await session.claim(place, { clusterId: 'c1', nextOffset: 0n });
  await session.begin();
  await session.apply(table, everyEvent(changes));
  await session.keepInOutbox(place, outbox);
  const to = nextOffset + BigInt(changes.length);
  assert.equal(await session.moveOffset({ ...place, owner, epoch, from: nextOffset, to, caughtUp: true }), 1);
  await session.commit();
}

test('an entry has the operation, the version and the columns, and no field for a null; bytes stay bytes', async (t) => {
  const { port } = await startRedis(t);
  const database = new StreamDatabase(t, port);
  const dialect = await dialectOf(database.sinkOptions);
  const table: TargetTable = {
    ...persons,
    valueColumns: [
      { name: 'raw', type: 'bytes' },
      { name: 'at', type: 'timestamp' },
      { name: 'day', type: 'date' },
      { name: 'none', type: 'string' },
    ],
  };
  assert.deepEqual(await dialect.prepare([table], created), []);
  const bytes = Buffer.from([0, 255, 10, 13]);
  await write(t, dialect, table, [
    upsert('1', [bytes, 1_774_744_200_123_456n, 19_782, null], 7n, 0),
    removal('1', 8n, 1),
    upsert('1', [null, null, null, ''], 9n, 2),
  ]);
  const entries = (await database.entries('persons')).map((entry) => Object.fromEntries(entry));
  const field = (value: string): Buffer => Buffer.from(value);
  assert.deepEqual(entries, [
    {
      '#op': field('upsert'),
      '#version': field('7'),
      person_id: field('1'),
      raw: bytes,
      at: field('2026-03-29T00:30:00.123456Z'),
      day: field('2024-02-29'),
    },
    { '#op': field('delete'), '#version': field('8'), person_id: field('1') },
    { '#op': field('upsert'), '#version': field('9'), person_id: field('1'), none: field('') },
  ]);
});

test('what keeps a stream from being written is told before, with what to do', async (t) => {
  const { client, port } = await startRedis(t);
  const problems = async (
    table: Partial<TargetTable>,
    options: Readonly<Record<string, unknown>> = {},
    create = true,
  ): Promise<string> => {
    const dialect = await dialectOf({ host: '127.0.0.1', port, ...options });
    return (await dialect.prepare([{ ...persons, ...table }], { create, evolve: false })).join('\n');
  };
  await client.hset('taken', 'a', 'b');
  assert.equal(await problems({ name: 'free' }), '');
  assert.match(
    await problems({ name: 'taken' }),
    /^The stream taken \(mapping person\) is a hash: give it another name/,
  );
  assert.match(await problems({ name: 'x' }, { prefix: 'no}:' }), /^The stream no\}:x .* "\}" that ends no hash tag/);
  assert.equal(await problems({ name: '{x}:y}' }), '');
  assert.match(await problems({ versionColumn: 'v' }), /has no guard: leave versionColumn out/);
  assert.match(await problems({ name: 'new' }, {}, false), /is missing: set create: true, or run XGROUP CREATE new/);
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  assert.match(await problems({ name: 'free' }), /may evict it with its offsets \(maxmemory-policy allkeys-lru\)/);
});

test('rule 14: a batch that cannot be added whole moves no offset; a server without memory is waited for', async (t) => {
  const { client, port } = await startRedis(t);
  const dialect = await dialectOf({ host: '127.0.0.1', port, maxLength: 100, database: 3 });
  assert.deepEqual(await dialect.prepare([persons], created), []);
  const reasonOf = (): Promise<unknown> =>
    write(t, dialect, persons, [upsert('1', ['x', 1])]).catch((error: unknown) => error);
  await client.select(3);
  await client.config('SET', 'maxmemory', '1');
  assert.equal(dialect.classify(await reasonOf()), 'outage');
  await client.config('SET', 'maxmemory', '0');
  const events = Array.from({ length: 1000 }, (_, number) => upsert(`k${number}`, ['x', number], 1n, number));
  await write(t, dialect, persons, events);
  const left = await client.xlen('persons');
  assert.ok(left >= 100 && left < 300, `the oldest ones go: ${left}`);
  await client.set('persons', 'no stream any more');
  assert.equal(dialect.classify(await reasonOf()), 'structure');
  const session = await dialect.connect();
  t.after(() => session.close());
  assert.equal((await session.readOffset({ topic: persons.topic, partition: 0 }))?.nextOffset, 1000n);
});

test('rule 14: a worker that is replaced, or a replay that begins, before its commit adds nothing', async (t) => {
  const { client, port } = await startRedis(t);
  const dialect = await dialectOf({ host: '127.0.0.1', port });
  assert.deepEqual(await dialect.prepare([persons], created), []);
  const [zombie, other] = await Promise.all([dialect.connect(), dialect.connect()]);
  t.after(() => Promise.all([zombie.close(), other.close()]));
  const place = { topic: persons.topic, partition: 0 };
  const claim = (): Promise<StoredOffset> => other.claim(place, { clusterId: 'c1', nextOffset: 0n });
  const rivals = [claim, () => other.reset({ ...place, epoch: 0n, nextOffset: 0n })];
  for (const rival of rivals) {
    const { owner, epoch } = await claim();
    await zombie.begin();
    await zombie.apply(persons, everyEvent([upsert('1', ['zombie', 1])]));
    assert.equal(await zombie.moveOffset({ ...place, owner, epoch, from: 0n, to: 1n, caughtUp: false }), 1);
    await rival();
    const error: unknown = await zombie.commit().catch((thrown: unknown) => thrown);
    assert.equal(dialect.classify(error), 'outage', 'it looks again');
    assert.equal(await client.exists('persons'), 0);
    assert.equal((await other.readOffset(place))?.nextOffset, 0n);
  }
});

test('the rights of the documentation are enough', async (t) => {
  const { client, port } = await startRedis(t);
  const text = await readFile(join(projectFolder, 'docs', 'sinks', 'redis-stream.md'), 'utf8');
  const [, command = ''] = /^ACL SETUSER afterwrite (on[^]*?)```/m.exec(text) ?? [];
  const rules = command.split(/[\s\\]+/).filter((rule) => rule !== '');
  await client.call('ACL', 'SETUSER', 'afterwrite', ...rules);
  const login = { host: '127.0.0.1', port, username: 'afterwrite', password: 'PASSWORD' };
  const dialect = await dialectOf({ ...login, prefix: 'events:', maxLength: 5 });
  assert.deepEqual(await dialect.prepare([persons], created), []);
  await write(t, dialect, persons, [upsert('1', ['x', 1])], [{ offset: 0n, version: 1n, entry: 'an id' }]);
  const session = await dialect.connect();
  t.after(() => session.close());
  const [stored] = await session.readOffsets();
  assert.ok(stored?.nextOffset === 1n && stored.caughtUpAt !== null);
  assert.ok(Math.abs((await session.now()).getTime() - Date.now()) < 60_000);
  const place = { topic: persons.topic, partition: 0 };
  assert.equal(await session.markCaughtUp({ ...place, ...stored, from: 1n, to: 1n, caughtUp: true }), 1);
  assert.equal(await session.reset({ ...place, epoch: stored.epoch, nextOffset: 0n }), 1);
  const kept = await session.readOutbox(place, 10);
  await session.dropFromOutbox(place, kept);
  assert.deepEqual([kept.length, await session.readOutbox(place, 10)], [1, []]);
});

test('in a cluster, streams are where their names say, each with its offsets, and a slot that moves is followed', async (t) => {
  const cluster = await TestCluster.start(t);
  const dialect = await dialectOf({ nodes: cluster.addresses.slice(0, 1) });
  const tables = ['a', 'b', 'c', 'd', '{e}:f'].map((name) => ({
    ...persons,
    name,
    topic: `shop.${name.at(-1) ?? ''}`,
  }));
  assert.deepEqual(await dialect.prepare(tables, created), []);
  for (const table of tables) await write(t, dialect, table, [upsert('1', ['x', 1]), removal('1', 2n, 1)]);
  for (const { name } of tables) assert.equal(await cluster.client.xlen(name), 2, name);
  const session = await dialect.connect();
  t.after(() => session.close());
  const offsets = await session.readOffsets();
  assert.deepEqual(
    offsets.map(({ topic, nextOffset }) => [topic, nextOffset]).toSorted(),
    tables.map(({ topic }) => [topic, 2n]).toSorted(),
  );

  const [moved] = tables;
  assert.ok(moved !== undefined);
  const [from, { node: to } = { node: undefined }] = await Promise.all([
    cluster.masterOf(moved.name),
    cluster.masters().then((masters) => masters.find(({ slots }) => !holds(slots, moved.name))),
  ]);
  assert.ok(to !== undefined);
  await cluster.move(keySlot(Buffer.from(moved.name)), from, to);
  const place = { topic: moved.topic, partition: 0 };
  const error: unknown = await session.readOffset(place).catch((thrown: unknown) => thrown);
  assert.equal(dialect.classify(error), 'outage', 'a session ends where a slot has moved');
  await write(t, dialect, moved, [upsert('2', ['y', 2])]);
  assert.equal(await cluster.client.xlen(moved.name), 3, 'the next one finds it');
});

function holds(slots: readonly (readonly [first: number, last: number])[], key: string): boolean {
  const slot = keySlot(Buffer.from(key));
  return slots.some(([first, last]) => first <= slot && slot <= last);
}
