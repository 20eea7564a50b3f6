import type { Column } from '../../../schemas/index.ts';
import type { Change, Changes, ColumnValue } from '../../decode/change.ts';
import type { MergedChanges } from '../../merge/last-event.ts';
import type { TargetTable } from '../port.ts';
import { deletedTable } from './bookkeeping.ts';
import { RowTooLarge } from './errors.ts';
import { textLiteral, type Names } from './names.ts';
import type { TableShape } from './table-shape.ts';
import { cast, createdType, encoderOf } from './types.ts';

/**
 * Bytes of one bind, about, and at most: PARSE_JSON takes 16 MiB. A larger batch is several binds of one statement.
 */
const bytesOfBind = 8 * 1024 * 1024;
const largestBind = 16 * 1024 * 1024 - 1024;

/** All statements on one table. They depend on its columns only, so they are made once. */
export interface TableStatements {
  /** Upserts and deletes. @param binds how many of them hold rows; the transaction's id comes behind them, as a bind, too */
  readonly merge: (binds: number) => string;
  /** Notes the deletes among the rows, with the same binds. Undefined without a guard. */
  readonly rememberDeleted: ((binds: number) => string) | undefined;
  /** The JSON of a batch: see `rowText`. @throws RowTooLarge */
  readonly binds: (changes: MergedChanges) => string[];
  /** All keys that stand there, and their versions, as texts. */
  readonly keys: string;
}

export function tableStatements(names: Names, table: TargetTable, shape: TableShape): TableStatements {
  return {
    merge: (binds) => merge(names, table, shape, binds),
    rememberDeleted: table.versionColumn === undefined ? undefined : (binds) => rememberDeleted(names, table, binds),
    binds: bindsOf(table),
    keys: keysOf(names, table),
  };
}

/**
 * A row in the JSON of a batch, an array: the columns of the key, the other columns, and with a guard the version, all
 * as texts or null; then the record's key in hex if the row goes, or null.
 */
function rowText(table: TargetTable): (change: Change) => string {
  const keys = table.keyColumns.map(({ type }) => encoderOf(type));
  const values = table.valueColumns.map(({ type }) => encoderOf(type));
  const guarded = table.versionColumn !== undefined;
  return (change) => {
    const cells: (string | null)[] = keys.map((encode, index) => encode(change.keyValues[index] ?? null));
    const row: readonly ColumnValue[] = change.values ?? [];
    for (const [index, encode] of values.entries()) cells.push(encode(row[index] ?? null));
    if (guarded) cells.push(change.version === undefined ? null : String(change.version), change.key.toString('hex'));
    cells.push(change.isRemoval ? 'gone' : null);
    return JSON.stringify(cells);
  };
}

function bindsOf(table: TargetTable): (changes: MergedChanges) => string[] {
  const textOf = rowText(table);
  return ({ upserts, deletes }) => {
    const binds: string[] = [];
    let rows: string[] = [];
    let bytes = 0;
    const cut = (): void => {
      if (rows.length > 0) binds.push(`[${rows.join()}]`);
      rows = [];
      bytes = 0;
    };
    for (const changes of [deletes, upserts] satisfies Changes[]) {
      for (const change of changes) {
        const row = textOf(change);
        const size = sizeOf(row);
        if (size > largestBind) throw new RowTooLarge(size, largestBind);
        if (bytes + size > bytesOfBind) cut();
        rows.push(row);
        bytes += size + 1;
      }
    }
    cut();
    return binds;
  };
}

/** Bytes of a text, or for short ones more: a unit of UTF-16 becomes three at most. */
function sizeOf(text: string): number {
  return text.length < 1000 ? text.length * 3 : Buffer.byteLength(text);
}

/** Places of what stands in a row. */
function placesOf({ keyColumns, valueColumns, versionColumn }: TargetTable) {
  const columns = keyColumns.length + valueColumns.length;
  return { version: columns, recordKey: columns + 1, gone: versionColumn === undefined ? columns : columns + 2 };
}

const cellAt = (place: number): string => `r[${place}]::VARCHAR`;

/**
 * The rows of all binds. In another transaction than the one that the last bind names there are none: where the server
 * has ended that one, a statement would commit by itself, without the offset.
 */
function source(columns: readonly string[], binds: number): string {
  const rows = Array.from({ length: binds }, () => 'SELECT value AS r FROM TABLE(FLATTEN(PARSE_JSON(?)))');
  return `SELECT ${columns.join(', ')} FROM (${rows.join(' UNION ALL ')}) WHERE CURRENT_TRANSACTION() = ?`;
}

/**
 *   MERGE INTO t USING (SELECT r[0]::VARCHAR AS c0, CAST(r[1]::VARCHAR AS FLOAT) AS c1, r[2]::VARCHAR AS gone FROM …) AS s
 *   ON t.k = s.c0 WHEN MATCHED AND s.gone IS NOT NULL THEN DELETE
 *   WHEN MATCHED THEN UPDATE SET c = s.c1 WHEN NOT MATCHED AND s.gone IS NULL THEN INSERT (k, c) VALUES (s.c0, s.c1)
 *
 * No key stands twice in a batch, so no row of it has two of the source. Under a guard a row changes only under a
 * version above its own, and never under one that its key was deleted at. A version that is NULL counts as 0: such a row
 * was there before the guard.
 */
function merge(names: Names, table: TargetTable, shape: TableShape, binds: number): string {
  const { keyColumns, valueColumns, versionColumn } = table;
  const columns = [...keyColumns, ...valueColumns];
  const places = placesOf(table);
  const selected = columns.map((column, place) => `${castOf(names, shape, column, cellAt(place))} AS c${place}`);
  const written = columns.map((column, place): [string, string] => [names.column(column.name), `s.c${place}`]);
  const updated = written.slice(keyColumns.length);
  let [mayGo, mayChange, from] = ['', '', ''];
  if (versionColumn === undefined) {
    from = `(${source([...selected, `${cellAt(places.gone)} AS gone`], binds)})`;
  } else {
    const guard = names.column(versionColumn);
    mayGo = ` AND COALESCE(t.${guard}, 0) <= s.v`;
    mayChange = ` AND s.gone IS NULL AND COALESCE(t.${guard}, 0) < s.v`;
    updated.push([guard, 's.v']);
    written.push([guard, 's.v']);
    const guarded = [...selected, ...guardColumns(table)];
    from =
      `(SELECT u.* FROM (${source(guarded, binds)}) AS u LEFT JOIN ${names.inSchema(deletedTable(table.topic))} AS d ` +
      `ON d.TOPIC = ${textLiteral(table.topic)} AND d.RECORD_KEY = u.record_key AND u.gone IS NULL AND d.VERSION >= u.v ` +
      'WHERE d.VERSION IS NULL)';
  }
  const on = keyColumns.map(({ name }, place) => `t.${names.column(name)} = s.c${place}`);
  const update = updated.map(([column, value]) => `${column} = ${value}`).join(', ');
  return (
    `MERGE INTO ${names.table(table.name)} AS t USING ${from} AS s ON ${on.join(' AND ')} ` +
    `WHEN MATCHED AND s.gone IS NOT NULL${mayGo} THEN DELETE ` +
    // With nothing but keys there is nothing to change.
    (update === ''
      ? ''
      : `WHEN MATCHED${mayChange === '' ? ' AND s.gone IS NULL' : mayChange} THEN UPDATE SET ${update} `) +
    `WHEN NOT MATCHED AND s.gone IS NULL THEN INSERT (${written.map(([column]) => column).join(', ')}) ` +
    `VALUES (${written.map(([, value]) => value).join(', ')})`
  );
}

function guardColumns(table: TargetTable): string[] {
  const { version, recordKey, gone } = placesOf(table);
  return [`CAST(${cellAt(version)} AS INTEGER) AS v`, `${cellAt(recordKey)} AS record_key`, `${cellAt(gone)} AS gone`];
}

function castOf(names: Names, shape: TableShape, { name, type }: Column, cell: string): string {
  const column = shape.columns.get(names.stored(name));
  return column === undefined ? cell : cast(cell, type, column);
}

function rememberDeleted(names: Names, table: TargetTable, binds: number): string {
  return (
    `MERGE INTO ${names.inSchema(deletedTable(table.topic))} AS d USING ` +
    `(SELECT * FROM (${source(guardColumns(table), binds)}) WHERE gone IS NOT NULL) AS s ` +
    `ON d.TOPIC = ${textLiteral(table.topic)} AND d.RECORD_KEY = s.record_key ` +
    'WHEN MATCHED AND d.VERSION < s.v THEN UPDATE SET VERSION = s.v ' +
    `WHEN NOT MATCHED THEN INSERT (TOPIC, RECORD_KEY, VERSION) VALUES (${textLiteral(table.topic)}, s.record_key, s.v)`
  );
}

/** SELECT TO_VARCHAR(k), NULL FROM t WHERE k IS NOT NULL */
function keysOf(names: Names, { name, keyColumns, versionColumn }: TargetTable): string {
  const keys = keyColumns.map((column) => names.column(column.name));
  const version = versionColumn === undefined ? 'NULL' : `TO_VARCHAR(${names.column(versionColumn)})`;
  const present = keys.map((column) => `${column} IS NOT NULL`);
  return (
    `SELECT ${[...keys.map((column) => `TO_VARCHAR(${column})`), version].join(', ')} ` +
    `FROM ${names.table(name)} WHERE ${present.join(' AND ')}`
  );
}

/** CREATE TABLE of a target table. */
export function createTable(names: Names, table: TargetTable): string {
  const columns = [
    ...table.keyColumns.map(({ name, type }) => `${names.column(name)} ${createdType(type)} NOT NULL`),
    ...table.valueColumns.map(({ name, type }) => `${names.column(name)} ${createdType(type)}`),
    ...(table.versionColumn === undefined ? [] : [`${names.column(table.versionColumn)} INTEGER`]),
    `PRIMARY KEY (${keyList(names, table)})`,
  ];
  return `CREATE TABLE IF NOT EXISTS ${names.table(table.name)} (${columns.join(', ')})`;
}

export function keyList(names: Names, table: TargetTable): string {
  return table.keyColumns.map(({ name }) => names.column(name)).join(', ');
}
