import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { removal, upsert } from '../../../support/sink/changes.ts';
import { binding } from '../../../contract/bindings/mysql.ts';
import { persons, Stage } from '../../../contract/suite/stage.ts';

const strict = { create: false, evolve: false };
const key = 'VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin';

/** What the start says of tables that were made by these statements. */
async function problemsOf(t: TestContext, statements: readonly string[], options = {}, table: TargetTable = persons) {
  const database = await binding.open(t);
  for (const statement of statements) await database.run(statement);
  const stage = await Stage.open(t, binding, database, { ...database.sinkOptions, ...options });
  return (await stage.dialect.prepare([table], strict)).join('\n');
}

test('a table, and a bookkeeping table, of an engine without transactions is refused', async (t) => {
  for (const engine of ['MyISAM', 'Aria']) {
    const columns = `person_id VARCHAR(100) COLLATE utf8mb4_nopad_bin PRIMARY KEY, first TEXT, age INT`;
    const problems = await problemsOf(t, [
      `CREATE TABLE persons (${columns}) ENGINE = ${engine} DEFAULT CHARACTER SET utf8mb4`,
      `CREATE TABLE afterwrite_offsets (sink INT) ENGINE = ${engine}`,
    ]);
    assert.match(problems, new RegExp(`\`persons\` is kept by the engine ${engine}, .*ALTER TABLE \`persons\` ENGINE`));
    assert.match(problems, new RegExp(`\`afterwrite_offsets\` is kept by the engine ${engine}`));
  }
});

test('a further unique key is refused unless the sink accepts it, and harmless ones are none', async (t) => {
  const unique = `CREATE TABLE persons (person_id ${key} PRIMARY KEY, first VARCHAR(50), age INT, UNIQUE (age, first))`;
  assert.match(await problemsOf(t, [unique]), /further unique key \(`age`, `first`\).* acceptUniqueKeys: true/);
  assert.equal(await problemsOf(t, [unique], { acceptUniqueKeys: true }), '');
  const harmless =
    `CREATE TABLE persons (n INT AUTO_INCREMENT PRIMARY KEY, person_id ${key} NOT NULL UNIQUE, first TEXT, age INT, ` +
    'UNIQUE (person_id, age))';
  assert.equal(await problemsOf(t, [harmless]), '');
});

test('rule 9: a key column whose collation takes two keys for equal is refused', async (t) => {
  const apart = ['VARCHAR(50) COLLATE utf8mb4_nopad_bin', 'VARBINARY(50)'];
  const mixed = ['utf8mb4_bin', 'utf8mb4_general_ci', 'utf8mb4_unicode_nopad_ci'].map(
    (c) => `VARCHAR(50) COLLATE ${c}`,
  );
  for (const [types, refused] of [
    [apart, false],
    [[...mixed, 'BINARY(50)', 'INT'], true],
  ] as const) {
    for (const type of types) {
      const problems = await problemsOf(t, [
        `CREATE TABLE persons (person_id ${type} PRIMARY KEY, first TEXT, age INT) DEFAULT CHARACTER SET utf8mb4`,
      ]);
      assert.equal(/`person_id` .* may be equal: run ALTER TABLE/.test(problems), refused, `${type}: ${problems}`);
    }
  }
});

test('rights that a user lacks are told one by one', async (t) => {
  const database = await binding.open(t);
  await database.createTable('persons', persons.keyColumns, persons.valueColumns);
  await (await Stage.open(t, binding, database)).prepare([persons]);
  process.env.MYSQL_TEST_RIGHTS = 'secret';
  const login = await database.createLogin?.('secret', 'MYSQL_TEST_RIGHTS');
  assert.ok(login !== undefined);
  const url = new URL(String(login.sinkOptions.url).replace(/\$.*\}/, 'secret'));
  const [account, name] = [`${url.username}@'127.0.0.1'`, url.pathname.slice(1)];
  await database.run(`REVOKE ALL ON ${name}.* FROM ${account}`);
  await database.run(`GRANT SELECT, INSERT ON ${name}.persons TO ${account}`);
  await database.run(`GRANT SELECT, UPDATE ON ${name}.afterwrite_offsets TO ${account}`);
  const stage = await Stage.open(t, binding, database, login.sinkOptions);
  const problems = (await stage.dialect.prepare([persons], strict)).join('\n');
  assert.match(problems, /may not UPDATE, DELETE on table `persons`: run GRANT UPDATE, DELETE ON `persons` TO 'login/);
  assert.match(problems, /may not INSERT, DELETE on table `afterwrite_offsets`/);
});

test('a row larger than a packet is a bad row, not a lost connection that never comes back', async (t) => {
  const stage = await Stage.open(t, binding);
  await stage.prepare([persons]);
  const session = await stage.dialect.connect();
  t.after(() => session.close());
  await session.begin();
  const large = session.attempt(persons, { upserts: [upsert('1', ['x'.repeat(17_000_000), 1])], deletes: [] });
  const error = await large.catch((thrown: unknown) => thrown);
  assert.equal(stage.dialect.classify(error), 'data');
  const most = [upsert('2', ['ü'.repeat(8_000_000), 2]), upsert('3', ["'".repeat(4_000_000), 3])];
  await session.attempt(persons, { upserts: most, deletes: [removal('1')] });
  await session.commit();
  const found = await stage.database.rows('persons', [
    { name: 'person_id', type: 'string' },
    { name: 'first', type: 'string' },
  ]);
  assert.deepEqual(
    found.map(([id, first]) => [id, String(first).length]),
    [
      ['2', 8_000_000],
      ['3', 4_000_000],
    ],
  );
});
