import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { createDialect } from '../../../../sink-connector/write/registry.ts';
import { upsert } from '../../../support/sink/changes.ts';
import { createKeyspace } from '../../../support/sink/keyspace.ts';
import { untilEqual } from '../../../support/until.ts';

const visits: TargetTable = {
  topic: 'shop.visit',
  mapping: 'visit',
  name: 'visits',
  keyColumns: [
    { name: 'region', type: 'string' },
    { name: 'id', type: 'long' },
  ],
  valueColumns: [
    { name: 'note', type: 'string' },
    { name: 'at', type: 'timestamp' },
  ],
  versionColumn: undefined,
};
const checking = { create: false, evolve: false };

test('two workers that start together make keyspace, tables and columns once', async () => {
  const keyspace = await createKeyspace();
  const options = { ...keyspace.options, keyspace: `${keyspace.keyspace}_Made` };
  const wide = { ...visits, valueColumns: [...visits.valueColumns, { name: 'Added', type: 'int' } as const] };
  const dialects = await Promise.all(['a', 'b'].map((sink) => createDialect(sink, options)));
  for (const table of [visits, wide]) {
    const prepared = dialects.map((dialect) => dialect.prepare([table], { create: true, evolve: true }));
    assert.deepEqual(await Promise.all(prepared), [[], []]);
  }
  const columns = await keyspace.rows(
    `SELECT column_name, kind FROM system_schema.columns WHERE keyspace_name = '${options.keyspace}' AND table_name = 'visits'`,
  );
  assert.deepEqual(Object.fromEntries(columns.map((row) => [row.column_name, row.kind])), {
    region: 'partition_key',
    id: 'partition_key',
    note: 'regular',
    at: 'regular',
    Added: 'regular',
  });
});

test('a keyspace, a table, a column or a type that is wrong is told with the remedy', async () => {
  const { options, keyspace, rows } = await createKeyspace();
  const check = async (table: TargetTable, changes = {}) =>
    (await createDialect('warehouse', { ...options, ...changes })).prepare([table], checking);
  assert.match(String(await check(visits, { keyspace: 'none' })), /Keyspace "none" is missing: .*CREATE KEYSPACE/);
  assert.match(
    String(await check(visits)),
    /Table "\w+"\."visits" \(mapping visit\) is missing: .*PRIMARY KEY \(\("region", "id"\)\)/,
  );
  await rows(
    'CREATE TABLE $keyspace.visits (region text, id bigint, shelf text STATIC, at date, PRIMARY KEY (region, id))',
  );
  const problems = await check({
    ...visits,
    valueColumns: [...visits.valueColumns, { name: 'shelf', type: 'string' }],
  });
  assert.deepEqual(problems, [
    `Table "${keyspace}"."visits" (mapping visit) has no column "note": set evolve: true, or run ALTER TABLE "${keyspace}"."visits" ADD "note" text;`,
    `Column "at" of table "${keyspace}"."visits" is date, and mapping visit writes timestamp to it: make it timestamp or bigint`,
    `Column "shelf" of table "${keyspace}"."visits" is static, and would be shared by rows of different keys`,
  ]);
  const [key, ...others] = await check({ ...visits, keyColumns: [{ name: 'id', type: 'int' }], valueColumns: [] });
  assert.match(
    key ?? '',
    /primary key of table .* is \("region", "id"\), and the key columns of mapping visit are \("id"\)/,
  );
  assert.deepEqual(others, []);
});

test('a table may split its primary key into partitions and order as it likes', async (t) => {
  const { options, rows } = await createKeyspace();
  await rows('CREATE TABLE $keyspace.visits (id varint, region ascii, note text, at bigint, PRIMARY KEY (region, id))');
  const dialect = await createDialect('warehouse', options);
  assert.deepEqual(await dialect.prepare([visits], checking), []);
  const session = await dialect.connect();
  t.after(() => session.close());
  const change = { ...upsert('k', ['x', -1_500_001n]), keyValues: ['eu', -129n] };
  await session.apply(visits, { upserts: [change], deletes: [] });
  assert.deepEqual(
    (await rows('SELECT * FROM $keyspace.visits')).map((row) => [row.region, String(row.id), String(row.at)]),
    [['eu', '-129', '-1500001']],
  );
  await session.apply(visits, { upserts: [], deletes: [{ ...change, values: null }] });
  assert.deepEqual(await rows('SELECT * FROM $keyspace.visits'), []);
});

test('the documented grants are enough, and nothing works without them', async (t) => {
  const { options, keyspace, rows } = await createKeyspace();
  const owner = await createDialect('warehouse', options);
  await owner.prepare([visits], { create: true, evolve: false });
  await rows(`CREATE ROLE ${keyspace} WITH PASSWORD = 'app' AND LOGIN = true`);
  const dialect = await createDialect('warehouse', { ...options, user: keyspace, password: 'app' });
  const problems = await dialect.prepare([{ ...visits, name: 'others' }], { create: true, evolve: false });
  assert.match(String(problems), /cannot be made \(User \w+ has no CREATE permission on .*run CREATE TABLE/);
  assert.deepEqual(await dialect.prepare([visits], checking), []);
  const session = await dialect.connect();
  t.after(() => session.close());
  const change = { ...upsert('k', ['x', 0]), keyValues: ['eu', 1] };
  const work = async (): Promise<string> => {
    try {
      await session.claim({ topic: 'shop.visit', partition: 0 }, { clusterId: 'c', nextOffset: 0n });
      await session.apply(visits, { upserts: [change], deletes: [{ ...change, values: null }] });
      for await (const page of session.keys(visits)) assert.ok(page.length >= 0);
      return 'works';
    } catch (error) {
      return dialect.classify(error);
    }
  };
  assert.equal(await work(), 'access');
  for (const table of ['visits', 'afterwrite_offsets']) {
    await rows(`GRANT SELECT ON $keyspace.${table} TO ${keyspace}`);
    await rows(`GRANT MODIFY ON $keyspace.${table} TO ${keyspace}`);
  }
  // The node remembers rights for a while.
  await untilEqual('the rights', 'works', work);
});
