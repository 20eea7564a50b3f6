import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkConfig } from '../../../../config/index.ts';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { persons } from '../../../support/sink/changes.ts';
import { TestFile } from './file.ts';

const asIs = { create: false, evolve: false };

test('a table that would not hold each row as it is, is refused with what to do', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      'CREATE TABLE persons (person_id INTEGER PRIMARY KEY, first TEXT, age INT)',
      /"person_id" .* stores .* INTEGER.* copy/,
    ],
    [
      'CREATE TABLE persons (person_id NUMERIC PRIMARY KEY, first TEXT, age INT)',
      /"person_id" .* NUMERIC.*every string/,
    ],
    ['CREATE TABLE persons (person_id TEXT COLLATE NOCASE PRIMARY KEY, first TEXT, age INT)', /NOCASE or RTRIM.*COPY/i],
    ['CREATE TABLE persons (person_id TEXT COLLATE RTRIM PRIMARY KEY, first TEXT, age INT)', /NOCASE or RTRIM/],
    [
      `CREATE TABLE persons (person_id TEXT, first TEXT, age INT);
       CREATE UNIQUE INDEX i ON persons (person_id COLLATE NOCASE)`,
      /NOCASE or RTRIM/,
    ],
    [
      `CREATE TABLE persons (person_id TEXT COLLATE NOCASE, first TEXT, age INT);
       CREATE UNIQUE INDEX i ON persons (person_id COLLATE BINARY)`,
      /NOCASE or RTRIM/,
    ],
    ['CREATE TABLE persons (person_id TEXT, first TEXT, age INT)', /no primary key.*CREATE UNIQUE INDEX/],
    [
      `CREATE TABLE persons (person_id TEXT, first TEXT, age INT);
       CREATE UNIQUE INDEX i ON persons (person_id) WHERE age > 1; CREATE UNIQUE INDEX j ON persons (lower(person_id))`,
      /no primary key/,
    ],
    ['CREATE TABLE persons (person_id TEXT, age INT, first TEXT, PRIMARY KEY (person_id, age))', /no primary key/],
    ['CREATE TABLE persons (person_id TEXT PRIMARY KEY, age INT, first TEXT AS (age))', /"first" .* GENERATED ALWAYS/],
    ['CREATE TABLE persons (person_id TEXT PRIMARY KEY, first DECIMAL(9), age INT)', /"first".* NUMERIC/],
    ['CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT, age INT, x INT NOT NULL)', /"x" .* NOT NULL/],
    [`CREATE VIEW persons AS SELECT '1' AS person_id, 'x' AS first, 1 AS age`, /is a view/],
    ['CREATE TABLE persons (person_id TEXT PRIMARY KEY, age INT)', /no column "first": set evolve: true, or run ALTER/],
    [`PRAGMA encoding = 'UTF-16'; CREATE TABLE persons (person_id TEXT PRIMARY KEY)`, /UTF-16le.*copy it/],
  ];
  for (const [statements, problem] of cases) {
    const file = new TestFile(t);
    file.run(statements);
    const problems = await (await file.dialect()).prepare([persons], asIs);
    assert.equal(problems.length, 1, statements);
    assert.match(problems.join(), problem, statements);
  }
});

test('tables of other programs that hold each row are taken as they are', async (t) => {
  for (const statements of [
    'CREATE TABLE PERSONS (Person_Id VARCHAR(10) PRIMARY KEY, FIRST CLOB, Age NUMERIC, x INT)',
    'CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT, age INT) STRICT, WITHOUT ROWID',
    'CREATE TABLE persons (person_id ANY PRIMARY KEY, first ANY, age ANY) STRICT',
    `CREATE TABLE persons (n INTEGER PRIMARY KEY, person_id TEXT NOT NULL UNIQUE, first TEXT, age INT, x INT NOT NULL DEFAULT 5)`,
  ]) {
    const file = new TestFile(t);
    file.run(statements);
    assert.deepEqual(await (await file.dialect()).prepare([persons], asIs), [], statements);
  }
});

test('evolve adds columns that may be NULL, once, whoever asks at the same time', async (t) => {
  const file = new TestFile(t);
  file.run(`CREATE TABLE persons (person_id TEXT PRIMARY KEY, old TEXT) STRICT; INSERT INTO persons VALUES ('1', 'x')`);
  const guarded: TargetTable = { ...persons, versionColumn: 'v' };
  const answers = await Promise.all(
    [1, 2, 3].map(async () => (await file.dialect()).prepare([guarded], { create: false, evolve: true })),
  );
  assert.deepEqual(answers, [[], [], []]);
  assert.deepEqual(file.rows('SELECT * FROM persons'), [['1', 'x', null, null, null]]);
  assert.deepEqual(file.rows(`SELECT name, type FROM pragma_table_info('persons')`), [
    ['person_id', 'TEXT'],
    ['old', 'TEXT'],
    ['first', 'TEXT'],
    ['age', 'INTEGER'],
    ['v', 'INTEGER'],
  ]);
});

test('a file is made only where the options allow it, and where there is a folder', async (t) => {
  const file = new TestFile(t);
  const dialect = await file.dialect();
  assert.match(String(await dialect.prepare([persons], asIs)), /sink.db is missing: set create: true/);
  assert.ok(!existsSync(file.path));
  const elsewhere = await file.dialect(join(file.folder, 'none', 'sink.db'));
  assert.match(String(await elsewhere.prepare([persons], { create: true, evolve: false })), /run mkdir -p/);
  assert.deepEqual(await dialect.prepare([persons], { create: true, evolve: false }), []);
});

test('two tables that differ in case are told to be one', async (t) => {
  const file = new TestFile(t);
  const problems = await (
    await file.dialect()
  ).prepare([persons, { ...persons, name: 'PERSONS' }], {
    create: true,
    evolve: false,
  });
  assert.match(problems.join(), /"persons" \(mapping person\) and "PERSONS" .* are one/);
});

test('a database in memory, or a name that is no path, is refused', () => {
  const problemsOf = (path: string): string => {
    const { problems } = checkConfig(`
      pipeline: shop
      kafka: { brokers: ['127.0.0.1:1'] }
      registry: { url: 'http://127.0.0.1:1' }
      source: { url: 'redis://127.0.0.1:1' }
      mappings: { person: { key: 'person:{person_id}', fields: { first: first } } }
      sinks: { warehouse: { kind: sqlite, path: '${path}' } }`);
    return JSON.stringify(problems ?? []);
  };
  assert.equal(problemsOf('data/shop.db'), '[]');
  assert.match(problemsOf(':memory:'), /sinks.*warehouse.*path.*would forget both/);
  assert.match(problemsOf('file:shop.db'), /sinks.*warehouse.*path.*would forget both/);
  assert.match(problemsOf('libsql://shop'), /sinks.*warehouse.*path.*would forget both/);
});
