import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowTooLarge } from '../../../../sink-connector/write/mysql/errors.ts';
import { createTable, cutStatements, tableStatements } from '../../../../sink-connector/write/mysql/statements.ts';
import type { RowsStatement } from '../../../../sink-connector/write/mysql/statements.ts';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { persons, removal, upsert } from '../../../support/sink/changes.ts';

const guarded = { ...persons, versionColumn: 'v' };
const visits: TargetTable = {
  ...persons,
  keyColumns: [
    { name: 'region', type: 'string' },
    { name: 'id', type: 'long' },
  ],
};

const texts = (statement: RowsStatement | undefined, ...changes: Parameters<RowsStatement['row']>[0][]): string[] =>
  statement === undefined ? [] : [...cutStatements(statement, changes, 16 * 1024 * 1024)];

test('rows are upserted and deleted by one statement each', () => {
  const { upsert: insertion, delete: deletion, guard } = tableStatements(persons);
  assert.deepEqual(texts(insertion, upsert('1', ["O'Neil", 5]), upsert('2', [null, null])), [
    "INSERT INTO `persons` (`person_id`, `first`, `age`) VALUES ('1','O''Neil',5),('2',NULL,NULL) " +
      'ON DUPLICATE KEY UPDATE `first` = VALUES(`first`), `age` = VALUES(`age`)',
  ]);
  assert.deepEqual(texts(deletion, removal('1'), removal('2')), [
    "DELETE FROM `persons` WHERE `person_id` IN ('1','2')",
  ]);
  assert.equal(guard, undefined);
  assert.deepEqual(texts(tableStatements(visits).delete, { ...removal('r'), keyValues: ['r', 2n ** 60n] }), [
    "DELETE FROM `persons` WHERE (`region`, `id`) IN (('r',1152921504606846976))",
  ]);
});

test('a table of keys alone has nothing to update', () => {
  const [text = ''] = texts(tableStatements({ ...persons, valueColumns: [] }).upsert, upsert('1', []));
  assert.equal(
    text,
    "INSERT INTO `persons` (`person_id`) VALUES ('1') ON DUPLICATE KEY UPDATE `person_id` = `person_id`",
  );
});

test('a guarded table writes only newer versions, assigns the version last, and remembers what it deleted', () => {
  const { upsert: insertion, delete: deletion, guard } = tableStatements(guarded);
  const newer = 'IF(VALUES(`v`) > COALESCE(`v`, 0), VALUES';
  assert.deepEqual(texts(insertion, upsert('1', ['x', 5], 7n)), [
    "INSERT INTO `persons` (`person_id`, `first`, `age`, `v`) VALUES ('1','x',5,7) ON DUPLICATE KEY UPDATE " +
      `\`first\` = ${newer}(\`first\`), \`first\`), \`age\` = ${newer}(\`age\`), \`age\`), \`v\` = ${newer}(\`v\`), \`v\`)`,
  ]);
  assert.deepEqual(texts(deletion, removal('1', 7n), removal('2', 8n)), [
    "DELETE FROM `persons` WHERE (`person_id` = '1' AND COALESCE(`v`, 0) <= 7) OR " +
      "(`person_id` = '2' AND COALESCE(`v`, 0) <= 8)",
  ]);
  assert.deepEqual(texts(guard?.rememberDeleted, removal('1', 7n)), [
    "INSERT INTO `afterwrite_deleted` (topic, `key`, version) VALUES ('shop.person',X'31',7) " +
      'ON DUPLICATE KEY UPDATE version = GREATEST(version, VALUES(version))',
  ]);
  assert.deepEqual(texts(guard?.readDeleted, upsert('1', [], 7n), upsert('2', [], 7n)), [
    'SELECT LOWER(HEX(`key`)), version FROM `afterwrite_deleted` ' +
      "WHERE topic = 'shop.person' AND `key` IN (X'31',X'32')",
  ]);
});

test('pages of keys go on behind the last key, within the range of the index', () => {
  assert.equal(
    tableStatements(persons).keysPage(10, undefined),
    'SELECT CONVERT(`person_id` USING utf8mb4), NULL FROM `persons` WHERE `person_id` IS NOT NULL ' +
      'ORDER BY `person_id` LIMIT 10',
  );
  assert.equal(
    tableStatements({ ...visits, versionColumn: 'v' }).keysPage(10, ["r'", '7']),
    'SELECT CONVERT(`region` USING utf8mb4), CONVERT(`id` USING utf8mb4), CONVERT(`v` USING utf8mb4) FROM `persons` ' +
      "WHERE `region` IS NOT NULL AND `id` IS NOT NULL AND (`region` > 'r''' OR (`region` = 'r''' AND (`id` > 7))) " +
      'ORDER BY `region`, `id` LIMIT 10',
  );
});

test('statements are cut so that the server takes them, and a row that it cannot take is told', () => {
  const { upsert: insertion, delete: deletion } = tableStatements(persons);
  const rows = Array.from({ length: 10 }, (_, index) => upsert(String(index), ['ü'.repeat(1000), null]));
  const cut = [...cutStatements(insertion, rows, 10_000)];
  assert.ok(cut.length > 1 && cut.every((text) => Buffer.byteLength(text) < 10_000));
  assert.equal(cut.join().match(/NULL\)/g)?.length, 10);
  assert.throws(() => [...cutStatements(insertion, [upsert('1', ['ü'.repeat(6000), null])], 10_000)], RowTooLarge);
  const many = Array.from({ length: 2500 }, (_, index) => removal(String(index)));
  assert.equal([...cutStatements(deletion, many, 16 * 1024 * 1024)].length, 3);
});

test('tables are created with a collation for keys, exact decimals and an engine with transactions', () => {
  const odd = { ...guarded, name: 'My `Table`', valueColumns: [{ name: 'select', type: 'decimal(12,2)' as const }] };
  assert.equal(
    createTable(odd, 'utf8mb4_nopad_bin'),
    'CREATE TABLE IF NOT EXISTS `My ``Table``` (`person_id` VARCHAR(255) CHARACTER SET utf8mb4 ' +
      'COLLATE utf8mb4_nopad_bin NOT NULL, `select` DECIMAL(12,2), `v` BIGINT, PRIMARY KEY (`person_id`)) ' +
      'ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4',
  );
});
