import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { importRgsync } from '../../cli/import-rgsync/index.ts';
import { pythonText } from '../../cli/import-rgsync/python-text.ts';
import { checkConfig, type Config } from '../../config/index.ts';

interface Imported {
  readonly yaml: string;
  readonly config: Config;
  /** The comments that name a line. */
  readonly notes: readonly string[];
}

async function scriptOf(t: TestContext, lines: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-rgsync-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'shop.py');
  await writeFile(file, lines.join('\n'));
  return file;
}

/** What comes of a script; the configuration has to be right. */
async function imported(t: TestContext, ...lines: readonly string[]): Promise<Imported> {
  const yaml = await importRgsync(await scriptOf(t, lines), undefined);
  const { config, problems } = checkConfig(yaml);
  assert.ok(config !== undefined, `${JSON.stringify(problems)}\n${yaml}`);
  return { yaml, config, notes: [...yaml.matchAll(/^# (line .*)$/gm)].map(([, note = '']) => note) };
}

const imports = [
  'from rgsync import RGWriteBehind, RGWriteThrough',
  'from rgsync.Connectors import PostgresConnector, PostgresConnection',
];
const persons = "connector = PostgresConnector(connection, 'persons', 'person_id')";

test("a script in the shape of the recipe's examples becomes a right configuration without its password", async (t) => {
  const { yaml, config, notes } = await imported(
    t,
    ...imports,
    "'''",
    'Create the connection',
    "'''",
    "connection = PostgresConnection('demo@user', 'Password123!', 'localhost:5432/test')",
    persons,
    "fields = { 'first_name':'first', # a comment",
    "  'last_name':'last', '_hidden': 'hidden', }",
    "RGWriteBehind(GB,  keysPrefix='person', mappings=fields, connector=connector, name='A', version='99.99.99')",
    "cars = PostgresConnector(connection, 'cars', 'car_id')",
    "RGWriteBehind(GB, 'car', {'id': 'id', 'color': 'color'}, cars, 'B')",
  );
  assert.equal(config.pipeline, 'shop');
  const { person, car } = config.mappings;
  assert.deepEqual(
    [person?.key, person?.table, car?.key, car?.table],
    ['person:{person_id}', 'persons', 'car:{car_id}', 'cars'],
  );
  assert.deepEqual([person?.version, car?.version], ['99.99.99', undefined]);
  assert.deepEqual(person?.fields, {
    first_name: { column: 'first', type: 'string' },
    last_name: { column: 'last', type: 'string' },
  });
  assert.deepEqual(Object.keys(config.sinks), ['postgres'], 'one connection is one sink');
  const { postgres } = config.sinks;
  assert.ok(postgres?.kind === 'postgres');
  assert.equal(postgres.url, 'postgres://demo%40user:${env:POSTGRES_PASSWD}@localhost:5432/test');
  assert.deepEqual(postgres.mappings, ['person', 'car']);
  assert.ok(!yaml.includes('Password123'));
  assert.deepEqual(notes, ['line 6: set POSTGRES_PASSWD: the script holds it as text, which is not copied']);
});

test('functions and variables of the environment become references, read again at each connection', async (t) => {
  const { config, notes } = await imported(
    t,
    'import os',
    'from rgsync.Connectors import MySqlConnection as Conn, MySqlConnector, CqlConnection, CqlConnector',
    'def password():',
    "    return os.environ['DB_PASSWORD']",
    "connection = Conn(lambda: os.getenv('DB_USER'), password, db='db:3306/shop')",
    "RGWriteBehind(GB, 'person', {'a': 'a'}, MySqlConnector(connection, 'persons', 'id'), name='A')",
    "cql = CqlConnection('u', os.environ.get('CQL_PASSWORD'), 'c1 c2', 'shop')",
    "RGWriteBehind(GB, 'person', {'a': 'a'}, CqlConnector(cql, 'persons', 'id'), name='B')",
  );
  const { mysql, cassandra } = config.sinks;
  assert.ok(mysql?.kind === 'mysql' && cassandra?.kind === 'cassandra');
  assert.equal(mysql.url, 'mysql://${env:DB_USER}:${env:DB_PASSWORD}@db:3306/shop');
  assert.deepEqual(cassandra.contactPoints, ['c1', 'c2']);
  assert.equal(cassandra.password, '${env:CQL_PASSWORD}');
  assert.deepEqual(Object.keys(config.mappings), ['person'], 'the same rows for two databases are one topic');
  assert.deepEqual(mysql.mappings, cassandra.mappings);
  const { operations, acknowledge } = config.mappings['person'] ?? {};
  assert.deepEqual([operations, acknowledge], [true, ['mysql', 'cassandra']], 'the field # is honoured as it was');
  assert.match(notes.join(), /set CASSANDRA_DATA_CENTER/);
});

test('sinks of Oracle and Snowflake have what the recipe said of them', async (t) => {
  const { config, notes } = await imported(
    t,
    "oracle = OracleSqlConnection('shop', 'p', 'db:1521/FREEPDB1')",
    "RGWriteBehind(GB, 'person', {'a': 'a'}, OracleSqlConnector(oracle, 'persons', 'id'), 'A')",
    "flake = SnowflakeSqlConnection('shop', 'p', 'sales/public', account='org-account')",
    "RGWriteBehind(GB, 'car', {'a': 'a'}, SnowflakeSqlConnector(flake, 'cars', 'id'), 'B')",
  );
  const { oracle, snowflake } = config.sinks;
  assert.ok(oracle?.kind === 'oracle' && snowflake?.kind === 'snowflake');
  assert.deepEqual([oracle.connectString, oracle.user], ['db:1521/FREEPDB1', 'shop']);
  assert.deepEqual([snowflake.account, snowflake.database, snowflake.schema], ['org-account', 'sales', 'public']);
  assert.match(notes.join(), /set SNOWFLAKE_WAREHOUSE/);
});

test('what is not read is named with its line, and nothing is guessed from what it may have changed', async (t) => {
  const { config, notes } = await imported(
    t,
    ...imports,
    "connection = PostgresConnection(user(), 'x' + 'y', 'h/d')",
    persons,
    "fields = {'a': 'a'}",
    "RGWriteBehind(GB, 'whole', fields, connector, 'A', transform=lambda r: r, eventTypes=['hset'])",
    "fields['secret'] = 'b'",
    "RGWriteBehind(GB, 'changed', fields, connector, 'B')",
    "RGWriteBehind(GB, prefix, {'a': 'a'}, connector, 'C')",
    "for one in ['x', 'y']:",
    "    RGWriteBehind(GB, one, {'a': 'a'}, connector, one)",
    "RGWriteThrough(GB, '__', {'a': 'a'}, PostgresConnector(connection, 'persons', 'person_id'), 'D')",
  );
  assert.deepEqual(Object.keys(config.mappings), ['whole']);
  assert.deepEqual(config.mappings['whole']?.acknowledge, Object.keys(config.sinks), 'of the same table');
  assert.deepEqual(notes, [
    'line 3: set POSTGRES_USER: not read: user(…) (line 3)',
    "line 3: set POSTGRES_PASSWD: not read: '…' + '…' (line 3)",
    'line 6: transform is left out: hashes are carried as they are',
    'line 6: eventTypes is left out: every change counts',
    "line 7: not read: fields['…'] = '…'",
    "line 8: the registration is left out: its mappings are not read: fields['…'] = '…' (line 7)",
    'line 9: the registration is left out: its keysPrefix is not read: prefix (line 9)',
    "line 10: not read: for one in ['…', '…']:",
  ]);
});

test('a registration through Redis is one with writeThrough, beside one behind Redis or alone', async (t) => {
  const { config, notes } = await imported(
    t,
    ...imports,
    "connection = PostgresConnection('u', 'p', 'h/d')",
    persons,
    "RGWriteThrough(GB, '__', {'a': 'a'}, connector, 'A')",
    "RGWriteBehind(GB, 'person', {'a': 'a'}, connector, 'B')",
    "cars = PostgresConnector(connection, 'cars', 'car_id')",
    "RGWriteThrough(GB, keysPrefix='__{car:', mappings={'color': 'color'}, connector=cars, name='C')",
    "RGWriteThrough(GB, '__', {'a': 'a'}, PostgresConnector(connection, 'others', 'id'), 'D')",
  );
  const [sink = ''] = Object.keys(config.sinks);
  for (const key of ['person:{person_id}', 'car:{car_id}']) {
    const mapping = Object.values(config.mappings).find((one) => one.key === key);
    assert.deepEqual(mapping?.writeThrough, { timeout: 10_000 }, key);
    assert.deepEqual(mapping.acknowledge, [sink]);
  }
  assert.deepEqual(config.sinks[sink]?.mappings, ['person', 'car']);
  assert.deepEqual(
    notes.filter((note) => note.includes('left out')),
    [
      'line 9: the registration is left out: __ does not say which keys it is for: add a mapping with writeThrough: true',
    ],
  );
});

test('what differs from the recipe, and what has no sink here, is said', async (t) => {
  const { config, notes } = await imported(
    t,
    ...imports,
    "connection = PostgresConnection('u', 'p', 'h/d')",
    "connector = PostgresConnector(connection, 'persons', 'person_id', 'once')",
    "RGWriteBehind(GB, 'app:person', {'person_id': 'person_id', 'b': 'a column', 'c': 'c'}, connector, 'A')",
    "RGWriteBehind(GB, 'app:person', {'c': 'other'}, PostgresConnector(connection, 'persons', 'person_id'), 'B')",
    "mongo = MongoConnector(MongoConnection('u', 'p', 'h'), 'db', 'persons', 'id')",
    "RGWriteBehind(GB, 'm', {'c': 'c'}, mongo, 'C')",
    "RGJSONWriteBehind(GB, 'j', connector, 'D')",
  );
  assert.deepEqual(config.mappings['app-person']?.fields, { c: { column: 'c', type: 'string' } });
  for (const told of [
    /line 5: no exactly-once table is needed/,
    /line 5: the recipe took the part behind the first ":" of a key as person_id; here it is all behind app:person:/,
    /line 5: the field person_id is left out/,
    /line 5: the field b is left out: a column is no name/,
    /line 6: app:person:\{person_id\} goes to two tables or with two sets of fields/,
    /line 7: there is no kind of sink for MongoConnector/,
    /line 9: there is nothing like RGJSONWriteBehind here/,
  ]) {
    assert.match(notes.join('\n'), told);
  }
});

test('a script is never run, and what is no Python is refused with its line', async (t) => {
  const file = await scriptOf(t, ["open('proof', 'w').write('run')", '__import__("os").system("touch proof")']);
  await importRgsync(file, 'shop');
  assert.deepEqual(await readdir(join(file, '..')), ['shop.py']);
  await assert.rejects(importRgsync(await scriptOf(t, ['a = 1', 'b = = 2', '']), 'shop'), {
    message: /^PYTHON_UNREADABLE: .*shop[.]py, line 2/,
  });
  await assert.rejects(importRgsync('/no/such/script.py', 'shop'), { code: 'FILE_UNREADABLE' });
});

test('texts of Python are read as Python reads them', () => {
  const cases = [
    [String.raw`'a\tb\'\x41\u00e9\101\q'`, "a\tb'AéA\\q"],
    [String.raw`r'a\tb'`, String.raw`a\tb`],
    ['"""two\nlines"""', 'two\nlines'],
    ["'joined\\\nline'", 'joinedline'],
    [String.raw`u'\U0001F600'`, '\u{1F600}'],
  ] as const;
  for (const [literal, text] of cases) assert.equal(pythonText(literal), text);
  assert.equal(pythonText("b'bytes'"), undefined);
});
