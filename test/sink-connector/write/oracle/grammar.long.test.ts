import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createBookkeeping,
  offsetStatements,
  outboxStatements,
} from '../../../../sink-connector/write/oracle/bookkeeping.ts';
import { sessionSettings, setSchema } from '../../../../sink-connector/write/oracle/connection.ts';
import { namingOf } from '../../../../sink-connector/write/oracle/names.ts';
import { savepoint } from '../../../../sink-connector/write/oracle/session.ts';
import {
  addColumns,
  createTable,
  tableColumns,
  tableStatements,
} from '../../../../sink-connector/write/oracle/statements.ts';
import { tableProblems } from '../../../../sink-connector/write/oracle/table-check.ts';
import { waitForLocks } from '../../../../sink-connector/write/oracle/table-setup.ts';
import { shapeQueries, type TableShape } from '../../../../sink-connector/write/oracle/table-shape.ts';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import type { Column, KeyColumn } from '../../../../schemas/index.ts';
import { persons } from '../../../support/sink/changes.ts';
import { objectionsTo } from './grammar.ts';

const everyType: readonly Column[] = (
  [
    ['text', 'string'],
    ['i', 'int'],
    ['l', 'long'],
    ['f', 'float'],
    ['d', 'double'],
    ['money', 'decimal(12,2)'],
    ['flag', 'boolean'],
    ['day', 'date'],
    ['micros', 'timestamp'],
    ['millis', 'timestamp-millis'],
    ['id', 'uuid'],
    ['raw', 'bytes'],
    ['doc', 'json'],
    ['Select', 'string'],
  ] as const
).map(([name, type]) => ({ name, type }));

const keys: Readonly<Record<string, readonly KeyColumn[]>> = {
  text: [{ name: 'person_id', type: 'string' }],
  number: [{ name: 'id', type: 'long' }],
  composite: [
    { name: 'region', type: 'string' },
    { name: 'number', type: 'long' },
    { name: 'part', type: 'int' },
  ],
};
const values: Readonly<Record<string, readonly Column[]>> = { none: [], some: persons.valueColumns, every: everyType };

/** Every table that statements differ for. */
const tables: TargetTable[] = Object.values(keys).flatMap((keyColumns) =>
  Object.values(values).flatMap((valueColumns) =>
    [undefined, 'v'].map((versionColumn) => ({
      ...persons,
      topic: "shop.person's",
      name: 'Order',
      keyColumns,
      valueColumns,
      versionColumn,
    })),
  ),
);
const move = { topic: 't', partition: 0, owner: 1n, epoch: 0n, from: 0n, to: 1n };

function statementsOn(table: TargetTable, names: 'upper' | 'exact'): Record<string, string> {
  const naming = namingOf(names);
  const { rememberDeleted, ...statements } = tableStatements(table, naming);
  return {
    ...statements,
    ...(rememberDeleted !== undefined && { rememberDeleted }),
    create: createTable(table, naming, undefined),
    createShort: createTable(table, naming, 4000),
    add: addColumns(table, naming, tableColumns(table, undefined)),
  };
}

function otherStatements(): Record<string, string> {
  const offsets = offsetStatements('warehouse');
  const outbox = outboxStatements('warehouse');
  const kept = { offset: 3n, version: 7n, entry: '{}' };
  const bound = {
    insertIntoOutbox: outbox.insert(move, kept),
    readOutbox: outbox.read(move, 10),
    dropFromOutbox: outbox.drop(move, kept),
    takeOver: offsets.takeOver(move),
    createRow: offsets.create(move, { clusterId: 'c', nextOffset: 0n }),
    read: offsets.read(move),
    readAll: offsets.readAll,
    now: offsets.now,
    reset: offsets.reset({ ...move, nextOffset: 0n }),
    move: offsets.move({ ...move, caughtUp: false }),
    moveToEnd: offsets.move({ ...move, caughtUp: true }),
    markCaughtUp: offsets.markCaughtUp({ ...move, caughtUp: true }),
  };
  return {
    ...Object.fromEntries(Object.entries(bound).map(([name, { sql }]) => [name, sql])),
    ...createBookkeeping,
    ...shapeQueries,
    ...savepoint,
    sessionSettings,
    // The grammar knows no number and no quoted name there, which Oracle's reference has.
    waitForLocks: waitForLocks.replace(/\d+$/, "'60'"),
    setSchema: setSchema('app', namingOf('upper')).replaceAll('"', ''),
  };
}

/** The statements that problems of a table tell a person to run. */
function remedies(): string[] {
  const column = { required: false, generated: false, collation: undefined };
  const shape: TableShape = {
    kind: 'TABLE',
    temporary: false,
    columns: new Map([
      ['PERSON_ID', { ...column, type: 'VARCHAR2' }],
      ['V', { ...column, type: 'VARCHAR2' }],
      ['OTHER', { ...column, type: 'NUMBER', required: true }],
    ]),
    uniqueKeys: [],
    missingRights: ['INSERT', 'DELETE'],
    user: 'APP',
  };
  const making = { naming: namingOf('upper'), textLength: undefined };
  const guarded = { ...persons, versionColumn: 'v' };
  const problems = [undefined, shape].flatMap((each) => tableProblems(guarded, each, making));
  return problems.flatMap(
    (problem) => /\brun ((?:CREATE|ALTER|GRANT) .*?)(?:;$|; where it is there)/s.exec(problem)?.[1] ?? [],
  );
}

test('an Oracle grammar takes every statement that a sink can say', { timeout: 900_000 }, () => {
  const texts = new Map<string, string>();
  for (const table of tables) {
    for (const names of ['upper', 'exact'] as const) {
      for (const [name, sql] of Object.entries(statementsOn(table, names))) texts.set(sql, name);
    }
  }
  for (const [name, sql] of Object.entries(otherStatements())) texts.set(sql, name);
  const told = remedies();
  assert.ok(told.length >= 6, 'problems tell statements');
  for (const sql of told) texts.set(sql, 'a remedy');
  assert.ok(texts.size > 150);
  const refused = [...texts].flatMap(([sql, name]) => {
    const objections = objectionsTo(sql);
    return objections.length === 0 ? [] : [{ name, sql, objections }];
  });
  assert.deepEqual(refused, []);
});

test('the grammar refuses statements that Oracle does not have', { timeout: 900_000 }, () => {
  const {
    upsert,
    delete: deletion,
    firstKeys,
  } = tableStatements({ ...persons, versionColumn: 'v' }, namingOf('upper'));
  for (const sql of [
    upsert.replace(' ON (', ' ('),
    upsert.replace('WHEN NOT MATCHED THEN INSERT', 'WHEN NOT MATCHED THEN UPSERT'),
    upsert.replace('USING (', 'USING SELECT ('),
    upsert.replace(' FROM dual', ' FROM'),
    deletion.replace('DELETE FROM', 'DELETE IN'),
    deletion.replace(' AND ', ' AND AND '),
    firstKeys.replace(/FETCH FIRST .*/, 'LIMIT 10'),
    'CREATE TABLE IF NOT EXISTS "T" ("ID" NUMBER(19) PRIMARY KEY',
    'INSERT INTO "T" ("ID") VALUES (:1) ON CONFLICT ("ID") DO NOTHING',
    'INSERT INTO "T" ("ID") VALUES (:1) ON DUPLICATE KEY UPDATE "ID" = "ID"',
    'UPDATE "T" SET "ID" := 1',
    'SELECT `k` FROM t',
    'RELEASE SAVEPOINT attempt',
    'ALTER TABLE "T" ADD COLUMN IF NOT EXISTS "X" NUMBER',
  ]) {
    assert.notDeepEqual(objectionsTo(sql), [], sql);
  }
});
