import type { Column, KeyColumn } from '../../../schemas/index.ts';
import type { Change } from '../../decode/change.ts';
import type { TargetTable } from '../port.ts';
import { deletedTable } from './bookkeeping.ts';
import { RowTooLarge } from './errors.ts';
import { bytesLiteral, quoteName, textLiteral } from './literals.ts';
import { createdKeyType, createdType, literalOf, type Literal } from './types.ts';

/**
 * A statement on many rows: what stands before, between and behind their texts. It is cut into several where it would
 * be too large; all are of one transaction.
 */
export interface RowsStatement<Row = Change> {
  readonly before: string;
  readonly row: (row: Row) => string;
  readonly between: string;
  readonly after: string;
  /** Rows of one statement, at most. */
  readonly rows: number;
}

/** Rows in an order, each of which may be made when it is asked for. */
export interface Rows<Row> {
  readonly length: number;
  at(index: number): Row | undefined;
}

/** All statements on one table. They depend on its columns only, so they are made once. */
export interface TableStatements {
  readonly upsert: RowsStatement;
  readonly delete: RowsStatement;
  /** The rest is undefined without a guard. */
  readonly guard: GuardStatements | undefined;
  /** A page of the keys that stand there, and of their versions. @param last the last key of the page before, as texts */
  readonly keysPage: (limit: number, last: readonly (string | null)[] | undefined) => string;
}

export interface GuardStatements {
  readonly rememberDeleted: RowsStatement;
  /** Reads record keys in hex and the versions that they were deleted at. */
  readonly readDeleted: RowsStatement;
}

/** Conditions on keys of one statement, at most: MySQL reads the whole table where its optimizer has no memory for more. */
const keysOfCondition = 1000;
/** Bytes of a statement, about, where the server takes more: memory is bounded by it. */
const statementBytes = 4 * 1024 * 1024;
/** What the protocol adds to the text of a statement, and more. */
const packetOverhead = 1024;

export function tableStatements(table: TargetTable): TableStatements {
  const guard = table.versionColumn === undefined ? undefined : guardStatements(table);
  return {
    upsert: upsert(table),
    delete: table.versionColumn === undefined ? deleteRows(table) : guardedDelete(table, table.versionColumn),
    guard,
    keysPage: (limit, last) => keysPage(table, limit, last),
  };
}

/**
 * Cuts a statement on many rows so that the server takes each part.
 * @param maxPacket bytes that the server takes
 * @throws RowTooLarge
 */
export function* cutStatements<Row>(
  statement: RowsStatement<Row>,
  rows: Rows<Row>,
  maxPacket: number,
): Generator<string> {
  const { before, between, after } = statement;
  const limit = maxPacket - packetOverhead - Buffer.byteLength(before) - Buffer.byteLength(after);
  const budget = Math.min(limit, statementBytes);
  let text = '';
  let bytes = 0;
  let count = 0;
  for (let index = 0; index < rows.length; index++) {
    const row = rows.at(index);
    if (row === undefined) continue;
    const next = statement.row(row);
    const size = sizeOf(next, budget) + between.length;
    if (size > limit) throw new RowTooLarge(size, maxPacket);
    if (count > 0 && (bytes + size > budget || count === statement.rows)) {
      yield before + text + after;
      text = '';
      bytes = 0;
      count = 0;
    }
    text += count === 0 ? next : between + next;
    bytes += size;
    count++;
  }
  if (count > 0) yield before + text + after;
}

/** Bytes of a text, or for short ones more: a unit of UTF-16 becomes three at most. */
function sizeOf(text: string, budget: number): number {
  const most = text.length * 3;
  return most * 8 < budget ? most : Buffer.byteLength(text);
}

/**
 *   INSERT INTO t (k, c) VALUES ('a',1),('b',2) ON DUPLICATE KEY UPDATE c = VALUES(c)
 *
 * Under a guard each column is assigned only under a version above the row's own. Assignments are done from left to
 * right, so that the version, which all compare with, comes last. A version that is NULL counts as 0: such a row was
 * there before the guard.
 */
function upsert(table: TargetTable): RowsStatement {
  const { keyColumns, valueColumns, versionColumn } = table;
  const columns = [...keyColumns, ...valueColumns].map(({ name }) => quoteName(name));
  const values = valueColumns.map(({ name }) => quoteName(name));
  const key = quoteName(keyColumns[0]?.name ?? '');
  const rowOf = rowLiteral(keyColumns, valueColumns);
  const plain = {
    before: `INSERT INTO ${quoteName(table.name)} (${columns.join(', ')}) VALUES `,
    row: (change: Change) => `(${rowOf(change)})`,
    between: ',',
    // With nothing but keys there is nothing to change; IGNORE would ignore errors, too.
    after: ` ON DUPLICATE KEY UPDATE ${values.map(assigned).join(', ') || `${key} = ${key}`}`,
    rows: Infinity,
  };
  if (versionColumn === undefined) return plain;
  const guard = quoteName(versionColumn);
  const newer = `VALUES(${guard}) > COALESCE(${guard}, 0)`;
  const updates = [...values, guard].map((column) => `${column} = IF(${newer}, VALUES(${column}), ${column})`);
  return {
    ...plain,
    before: `INSERT INTO ${quoteName(table.name)} (${[...columns, guard].join(', ')}) VALUES `,
    row: (change) => `(${rowOf(change)},${versionOf(change)})`,
    after: ` ON DUPLICATE KEY UPDATE ${updates.join(', ')}`,
  };
}

function assigned(column: string): string {
  return `${column} = VALUES(${column})`;
}

/** DELETE FROM t WHERE k IN ('a','b'), or with two key columns … (k, l) IN (('a',1),('b',2)) */
function deleteRows(table: TargetTable): RowsStatement {
  const keyOf = keyLiteral(table.keyColumns);
  const names = table.keyColumns.map(({ name }) => quoteName(name));
  const single = names.length === 1;
  return {
    before: `DELETE FROM ${quoteName(table.name)} WHERE ${single ? names.join() : `(${names.join(', ')})`} IN (`,
    row: single ? keyOf : (change) => `(${keyOf(change)})`,
    between: ',',
    after: ')',
    rows: keysOfCondition,
  };
}

/** DELETE FROM t WHERE (k = 'a' AND COALESCE(v, 0) <= 5) OR (k = 'b' AND COALESCE(v, 0) <= 6) */
function guardedDelete({ name, keyColumns }: TargetTable, versionColumn: string): RowsStatement {
  const conditions = keyColumns.map((column, index) => {
    const literal = literalOf(column.type);
    return (change: Change) => `${quoteName(column.name)} = ${literal(change.keyValues[index] ?? null)}`;
  });
  const guard = `COALESCE(${quoteName(versionColumn)}, 0)`;
  return {
    before: `DELETE FROM ${quoteName(name)} WHERE `,
    row: (change) =>
      `(${conditions.map((condition) => condition(change)).join(' AND ')} AND ${guard} <= ${versionOf(change)})`,
    between: ' OR ',
    after: '',
    rows: keysOfCondition,
  };
}

function guardStatements({ topic }: TargetTable): GuardStatements {
  const name = quoteName(deletedTable);
  return {
    rememberDeleted: {
      before: `INSERT INTO ${name} (topic, \`key\`, version) VALUES `,
      row: (change) => `(${textLiteral(topic)},${bytesLiteral(change.key)},${versionOf(change)})`,
      between: ',',
      after: ' ON DUPLICATE KEY UPDATE version = GREATEST(version, VALUES(version))',
      rows: Infinity,
    },
    readDeleted: {
      before: `SELECT LOWER(HEX(\`key\`)), version FROM ${name} WHERE topic = ${textLiteral(topic)} AND \`key\` IN (`,
      row: (change) => bytesLiteral(change.key),
      between: ',',
      after: ')',
      rows: keysOfCondition,
    },
  };
}

/**
 *   SELECT CONVERT(k USING utf8mb4), NULL FROM t WHERE k IS NOT NULL AND (k > 'a') ORDER BY k LIMIT 10
 *
 * Of several columns, (k, l) > ('a', 1) would be read from the index's beginning each time; k > 'a' OR k = 'a' AND l > 1
 * is a range of it.
 */
function keysPage(
  { name, keyColumns, versionColumn }: TargetTable,
  limit: number,
  last: readonly (string | null)[] | undefined,
): string {
  const names = keyColumns.map((column) => quoteName(column.name));
  const texts = [...names, ...(versionColumn === undefined ? [] : [quoteName(versionColumn)])].map(
    (column) => `CONVERT(${column} USING utf8mb4)`,
  );
  const conditions = names.map((column) => `${column} IS NOT NULL`);
  if (last !== undefined) conditions.push(`(${behind(keyColumns, last)})`);
  return (
    `SELECT ${texts.join(', ')}${versionColumn === undefined ? ', NULL' : ''} FROM ${quoteName(name)} ` +
    `WHERE ${conditions.join(' AND ')} ORDER BY ${names.join(', ')} LIMIT ${limit}`
  );
}

function behind(keyColumns: readonly KeyColumn[], last: readonly (string | null)[]): string {
  const [first, ...rest] = keyColumns;
  if (first === undefined) return 'FALSE';
  const name = quoteName(first.name);
  const literal = literalOf(first.type)(last[0] ?? null);
  const after = `${name} > ${literal}`;
  return rest.length === 0 ? after : `${after} OR (${name} = ${literal} AND (${behind(rest, last.slice(1))}))`;
}

function keyLiteral(keyColumns: readonly KeyColumn[]): (change: Change) => string {
  const literals = keyColumns.map(({ type }) => literalOf(type));
  return ({ keyValues }) => joined(literals, keyValues);
}

function rowLiteral(keyColumns: readonly KeyColumn[], valueColumns: readonly Column[]): (change: Change) => string {
  const keyOf = keyLiteral(keyColumns);
  const literals = valueColumns.map(({ type }) => literalOf(type));
  if (literals.length === 0) return keyOf;
  return (change) => `${keyOf(change)},${joined(literals, change.values ?? [])}`;
}

function joined(literals: readonly Literal[], values: readonly Parameters<Literal>[0][]): string {
  let text = literals[0]?.(values[0] ?? null) ?? '';
  for (let index = 1; index < literals.length; index++) text += `,${literals[index]?.(values[index] ?? null) ?? ''}`;
  return text;
}

/** For tables that keep versions, whose changes all have one: the decode stage lets no other through. */
function versionOf({ version }: Change): string {
  return String(version ?? 0n);
}

/** CREATE TABLE of a target table. @param collation of its texts that are part of the key */
export function createTable(table: TargetTable, collation: string): string {
  const columns = [
    ...table.keyColumns.map((column) => `${quoteName(column.name)} ${keyType(table, column, collation)} NOT NULL`),
    ...table.valueColumns.map(({ name, type }) => `${quoteName(name)} ${createdType(type)}`),
    ...(table.versionColumn === undefined ? [] : [`${quoteName(table.versionColumn)} BIGINT`]),
    `PRIMARY KEY (${keyList(table)})`,
  ];
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteName(table.name)} (${columns.join(', ')}) ` +
    'ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4'
  );
}

/** The type of a key column in a table that afterwrite creates. */
export function keyType({ keyColumns }: TargetTable, { type }: KeyColumn, collation: string): string {
  return createdKeyType(type, keyColumns.filter((column) => column.type === 'string').length, collation);
}

export function keyList(table: TargetTable): string {
  return table.keyColumns.map(({ name }) => quoteName(name)).join(', ');
}
