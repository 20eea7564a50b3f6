import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { CassandraConfig } from '../../../../sink-connector/write/cassandra/connection.ts';
import type { Change } from '../../../../sink-connector/decode/change.ts';
import type { Session, StoredKey, TargetTable } from '../../../../sink-connector/write/port.ts';
import { createDialect } from '../../../../sink-connector/write/registry.ts';
import { removal, upsert } from '../../../support/sink/changes.ts';
import { createKeyspace, type TestKeyspace } from '../../../support/sink/keyspace.ts';

const persons: TargetTable = {
  topic: 'shop.person',
  mapping: 'person',
  name: 'Persons',
  keyColumns: [{ name: 'Id', type: 'string' }],
  valueColumns: [
    { name: 'first', type: 'string' },
    { name: 'select', type: 'int' },
  ],
  versionColumn: undefined,
};
const rowsOfPersons = 'SELECT "Id", first, "select" FROM $keyspace."Persons"';

async function openSession(t: TestContext, table: TargetTable, changes: Partial<CassandraConfig> = {}) {
  const keyspace = await createKeyspace();
  const dialect = await createDialect('warehouse', { ...keyspace.options, ...changes });
  assert.deepEqual(await dialect.prepare([table], { create: true, evolve: false }), []);
  const session = await dialect.connect();
  t.after(() => session.close());
  return { session, keyspace, dialect };
}

/** Writes changes one after the other, each as a batch of its own. */
async function write(session: Session, table: TargetTable, ...changes: Change[]): Promise<void> {
  for (const change of changes) {
    const [upserts, deletes] = change.values === null ? [[], [change]] : [[change], []];
    await session.apply(table, { upserts, deletes });
  }
}

async function personsOf(keyspace: TestKeyspace): Promise<unknown[]> {
  return (await keyspace.rows(rowsOfPersons)).map((row) => row.first);
}

test('an older event never wins over a newer one, whatever the order of their writes', async (t) => {
  const { session, keyspace } = await openSession(t, persons);
  await write(session, persons, upsert('k', ['ten', 10], 10n), upsert('k', ['five', 5], 5n), removal('k', 9n));
  assert.deepEqual(await keyspace.rows(rowsOfPersons), [{ Id: 'k', first: 'ten', select: 10 }]);
  await write(session, persons, removal('k', 10n), upsert('k', ['ten', 10], 10n), upsert('k', ['eight', 8], 8n));
  assert.deepEqual(await personsOf(keyspace), []);
  await write(session, persons, upsert('k', ['eleven', 11], 11n), removal('k', 10n));
  assert.deepEqual(await personsOf(keyspace), ['eleven']);
});

test('a delete on a backlog does not hide the insert that follows it', async (t) => {
  const { session, keyspace } = await openSession(t, persons);
  const yesterday = BigInt(Date.now() - 86_400_000) * 1000n;
  await write(session, persons, upsert('k', ['a', 1], yesterday), removal('k', yesterday + 1n));
  await write(session, persons, upsert('k', ['b', 1], yesterday + 2n));
  assert.deepEqual(await personsOf(keyspace), ['b']);
  const written = await keyspace.rows('SELECT WRITETIME(first) AS at FROM $keyspace."Persons"');
  assert.equal(String(written[0]?.at), String(yesterday + 2n));
});

test('a null removes the value by default, and leaves it with nulls: unset', async (t) => {
  const removing = await openSession(t, persons);
  const leaving = await openSession(t, persons, { nulls: 'unset' });
  for (const { session } of [removing, leaving]) {
    await write(session, persons, upsert('k', ['a', 1], 1n), upsert('k', ['b', null], 2n));
  }
  assert.deepEqual(await removing.keyspace.rows(rowsOfPersons), [{ Id: 'k', first: 'b', select: null }]);
  assert.deepEqual(await leaving.keyspace.rows(rowsOfPersons), [{ Id: 'k', first: 'b', select: 1 }]);
});

test('a row lives for the TTL after its event, and one that has outlived it is deleted', async (t) => {
  const { session, keyspace } = await openSession(t, persons, { ttl: 3_600_000 });
  const now = BigInt(Date.now()) * 1000n;
  const minute = 60_000_000n;
  await write(session, persons, upsert('new', ['new', 1], now), upsert('older', ['older', 1], now - 59n * minute));
  // Cassandra would read TTL 0 as no TTL at all.
  await write(
    session,
    persons,
    upsert('gone', ['before', 1], now - 61n * minute),
    upsert('gone', ['at', 1], now - 60n * minute),
  );
  const rows = await keyspace.rows('SELECT first, TTL(first) AS left FROM $keyspace."Persons"');
  const left = new Map(rows.map((row) => [row.first, Number(row.left)]));
  assert.deepEqual([...left.keys()].sort(), ['new', 'older']);
  const [longer = 0, shorter = 0] = [left.get('new'), left.get('older')];
  assert.ok(longer > 3000 && longer <= 3600, `${longer} s`);
  assert.ok(shorter > 0 && shorter <= 60, `${shorter} s`);
});

test('a row lives as long as its key, and the next event gives it another end, or none', async (t) => {
  const table: TargetTable = {
    ...persons,
    valueColumns: [...persons.valueColumns, { name: 'until', type: 'timestamp-millis' }],
    expiryColumn: 'until',
  };
  const { session, keyspace } = await openSession(t, table, { ttl: 'expiry' });
  const minute = 60_000;
  const until = (left: number | null): number | null => (left === null ? null : (Date.now() + left) * 1000);
  const put = (id: string, left: number | null, version: bigint): Promise<void> =>
    write(session, table, upsert(id, [id, 1, until(left)], version));
  await put('long', 60 * minute, 1n);
  await put('over', -1, 1n);
  await put('ended', 60 * minute, 1n);
  await put('ended', -1, 2n);
  await put('persisted', minute, 1n);
  await put('persisted', null, 2n);
  await put('never', null, 1n);
  const rows = await keyspace.rows('SELECT first, TTL(first) AS left FROM $keyspace."Persons"');
  const left = new Map(rows.map((row) => [row.first, row.left]));
  assert.deepEqual([...left.keys()].sort(), ['long', 'never', 'persisted']);
  assert.deepEqual([left.get('never'), left.get('persisted')], [null, null]);
  const seconds = Number(left.get('long'));
  assert.ok(seconds > 3000 && seconds <= 3600, `${seconds} s`);
});

test('a mapping that does not tell when its keys expire gives no row their TTL', async () => {
  const keyspace = await createKeyspace();
  const dialect = await createDialect('warehouse', { ...keyspace.options, ttl: 'expiry' });
  const problems = await dialect.prepare([persons], { create: true, evolve: false });
  assert.match(problems.join(), /mapping person .* ttl: expiry .*expiryColumn/);
});

test('a version column holds the version', async (t) => {
  const { session, keyspace } = await openSession(t, { ...persons, versionColumn: 'v' });
  const table = { ...persons, versionColumn: 'v' };
  await write(session, table, upsert('k', ['a', 1], 9_007_199_254_740_993n), upsert('k', ['b', 1], 7n));
  const [row] = await keyspace.rows('SELECT first, v FROM $keyspace."Persons"');
  assert.deepEqual([row?.first, String(row?.v)], ['a', '9007199254740993']);
});

const visits: TargetTable = {
  topic: 'shop.visit',
  mapping: 'visit',
  name: 'visits',
  keyColumns: [
    { name: 'region', type: 'string' },
    { name: 'id', type: 'long' },
  ],
  valueColumns: [{ name: 'note', type: 'string' }],
  versionColumn: undefined,
};

function visit(region: string, id: number | bigint, note: string | null, version: bigint): Change {
  return { ...upsert(`${region} ${id}`, [note], version), keyValues: [region, id] };
}

test('all keys are read page by page, as events carry them, with the versions they were written at', async (t) => {
  const { session } = await openSession(t, visits);
  const first = 9_007_199_254_740_990n;
  const rows = Array.from({ length: 12_000 }, (_, n) => {
    const id = first + BigInt(n);
    return visit(`r${n % 3}`, n < 2 ? Number(id) : id, n === 0 ? null : 'x', BigInt(n));
  });
  await session.apply(visits, { upserts: rows, deletes: [] });
  const found: StoredKey[] = [];
  for await (const page of session.keys(visits)) found.push(...page);
  assert.equal(new Set(found.map(({ keyValues }) => keyValues.join())).size, 12_000);
  const versions = new Map(found.map(({ keyValues, version }) => [keyValues.join(), version]));
  assert.deepEqual(
    rows.filter(({ keyValues, version }) => versions.get(keyValues.join()) !== (version === 0n ? undefined : version)),
    [],
  );
  assert.deepEqual(found.find(({ version }) => version === 1n)?.keyValues, ['r1', 9_007_199_254_740_991]);
});

const partition = { topic: 'shop.person', partition: 0 };
const initial = { clusterId: 'c', nextOffset: 40n };

test('whoever claimed a partition last moves its offset, and nobody else, and only once', async (t) => {
  const { session, dialect } = await openSession(t, persons);
  const claims = await Promise.all(
    [1, 2, 3].map(async () => {
      const other = await dialect.connect();
      t.after(() => other.close());
      return await other.claim(partition, initial);
    }),
  );
  assert.deepEqual(claims.map(({ owner }) => owner).sort(), [1n, 2n, 3n]);
  const move = { ...partition, epoch: 0n, from: 40n, to: 45n, caughtUp: false };
  assert.equal(await session.moveOffset({ ...move, owner: 2n }), 0);
  assert.equal(await session.moveOffset({ ...move, owner: 3n, caughtUp: true }), 1);
  assert.equal(await session.moveOffset({ ...move, owner: 3n }), 0);
  assert.equal(await session.markCaughtUp({ ...move, owner: 2n, from: 45n }), 0);
  assert.equal(await session.markCaughtUp({ ...move, owner: 3n, from: 45n }), 1);
  const stored = await session.readOffset(partition);
  assert.ok(stored?.caughtUpAt instanceof Date);
  assert.deepEqual(
    { ...stored, caughtUpAt: null },
    { ...partition, ...initial, nextOffset: 45n, epoch: 0n, owner: 3n, caughtUpAt: null },
  );
  assert.deepEqual(await session.readOffset({ ...partition, partition: 1 }), undefined);
});

test('a replay moves the offset under the next epoch, once', async (t) => {
  const { session, keyspace } = await openSession(t, persons);
  const { epoch } = await session.claim(partition, initial);
  await session.claim({ ...partition, partition: 1 }, initial);
  const other = await (await createDialect('other', keyspace.options)).connect();
  t.after(() => other.close());
  await other.claim(partition, initial);
  assert.equal(await session.reset({ ...partition, epoch, nextOffset: 3n }), 1);
  assert.equal(await session.reset({ ...partition, epoch, nextOffset: 5n }), 0);
  const rows = (await session.readOffsets()).toSorted((a, b) => a.partition - b.partition);
  assert.deepEqual(
    rows.map(({ topic, partition: number, nextOffset, epoch: now, owner }) => [topic, number, nextOffset, now, owner]),
    [
      ['shop.person', 0, 3n, 1n, 1n],
      ['shop.person', 1, 40n, 0n, 1n],
    ],
  );
});
