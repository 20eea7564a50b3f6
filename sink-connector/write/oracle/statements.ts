import type { TargetTable } from '../port.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { textLiteral, type Naming } from './names.ts';
import { bindExpression, createdKeyType, createdType, versionType } from './types.ts';

/** Names of the bookkeeping tables, in the schema of the sink's tables, whatever `names` says of those. */
export const offsetsTable = 'AFTERWRITE_OFFSETS';
export const deletedTable = 'AFTERWRITE_DELETED';
export const outboxTable = 'AFTERWRITE_ACKNOWLEDGEMENTS';

/** The texts of all statements on one table. They depend on its columns only, so they are made once. */
export interface TableStatements {
  /** Binds: keys, values; with a guard then version and record key. */
  readonly upsert: string;
  /** Binds: keys; with a guard then the version. */
  readonly delete: string;
  /** Binds: record key, version. Undefined without a guard. */
  readonly rememberDeleted: string | undefined;
  /** A page of the keys that stand there, and of their versions. */
  readonly firstKeys: string;
  /** The next page. Binds: see keysAfter. */
  readonly nextKeys: string;
}

/** How many keys are read at once. */
export const keysOfPage = 10_000;

/** What a row of MERGE has beside columns: no column has a space in its name. */
const recordKey = '"RECORD KEY"';

export function tableStatements(table: TargetTable, naming: Naming): TableStatements {
  const { versionColumn } = table;
  return {
    upsert: versionColumn === undefined ? upsert(table, naming) : guardedUpsert(table, naming, versionColumn),
    delete: deleteRows(table, naming),
    rememberDeleted: versionColumn === undefined ? undefined : rememberDeleted(table),
    firstKeys: keysPage(table, naming, false),
    nextKeys: keysPage(table, naming, true),
  };
}

/**
 *   MERGE INTO "T" t USING (SELECT :1 AS "K", CAST(:2 AS NUMBER) AS "C" FROM dual) s ON (t."K" = s."K")
 *   WHEN MATCHED THEN UPDATE SET t."C" = s."C"
 *   WHEN NOT MATCHED THEN INSERT ("K", "C") VALUES (s."K", s."C")
 */
function upsert(table: TargetTable, naming: Naming): string {
  const values = table.valueColumns.map(({ name }) => naming.quoted(name));
  const names = [...keysOf(table, naming), ...values];
  return merge(table, naming, `SELECT ${boundColumns(table, naming).join(', ')} FROM dual`, {
    update: values.length === 0 ? undefined : assignments(values),
    names,
  });
}

/**
 * As above, but a row changes only under a version above its own, and never under one that its key was deleted at. A
 * version that is NULL counts as 0: such a row was there before the guard.
 */
function guardedUpsert(table: TargetTable, naming: Naming, versionColumn: string): string {
  const version = naming.quoted(versionColumn);
  const values = [...table.valueColumns.map(({ name }) => naming.quoted(name)), version];
  const columns = boundColumns(table, naming);
  const bound = [...columns, `:${columns.length + 1} AS ${version}`, `:${columns.length + 2} AS ${recordKey}`];
  const deleted =
    `SELECT 1 FROM ${quoteName(deletedTable)} d WHERE d."TOPIC" = ${textLiteral(table.topic)} ` +
    `AND d."KEY" = r.${recordKey} AND d."VERSION" >= r.${version}`;
  return merge(
    table,
    naming,
    `SELECT r.* FROM (SELECT ${bound.join(', ')} FROM dual) r WHERE NOT EXISTS (${deleted})`,
    {
      update: `${assignments(values)} WHERE COALESCE(t.${version}, 0) < s.${version}`,
      names: [...keysOf(table, naming), ...values],
    },
  );
}

function merge(
  table: TargetTable,
  naming: Naming,
  source: string,
  { update, names }: { readonly update: string | undefined; readonly names: readonly string[] },
): string {
  const found = keysOf(table, naming).map((key) => `t.${key} = s.${key}`);
  return (
    `MERGE INTO ${naming.quoted(table.name)} t USING (${source}) s ON (${found.join(' AND ')}) ` +
    (update === undefined ? '' : `WHEN MATCHED THEN UPDATE SET ${update} `) +
    `WHEN NOT MATCHED THEN INSERT (${names.join(', ')}) VALUES (${names.map((name) => `s.${name}`).join(', ')})`
  );
}

function boundColumns({ keyColumns, valueColumns }: TargetTable, naming: Naming): string[] {
  return [...keyColumns, ...valueColumns].map(
    ({ name, type }, index) => `${bindExpression(type, `:${index + 1}`)} AS ${naming.quoted(name)}`,
  );
}

function assignments(names: readonly string[]): string {
  return names.map((name) => `t.${name} = s.${name}`).join(', ');
}

/** DELETE FROM "T" t WHERE t."K" = :1 AND COALESCE(t."V", 0) <= :2 */
function deleteRows(table: TargetTable, naming: Naming): string {
  const conditions = keysOf(table, naming).map((key, index) => `t.${key} = :${index + 1}`);
  if (table.versionColumn !== undefined) {
    conditions.push(`COALESCE(t.${naming.quoted(table.versionColumn)}, 0) <= :${conditions.length + 1}`);
  }
  return `DELETE FROM ${naming.quoted(table.name)} t WHERE ${conditions.join(' AND ')}`;
}

function rememberDeleted({ topic }: TargetTable): string {
  return (
    `MERGE INTO ${quoteName(deletedTable)} d USING (SELECT :1 AS "KEY", :2 AS "VERSION" FROM dual) s ` +
    `ON (d."TOPIC" = ${textLiteral(topic)} AND d."KEY" = s."KEY") ` +
    `WHEN MATCHED THEN UPDATE SET d."VERSION" = s."VERSION" WHERE d."VERSION" < s."VERSION" ` +
    `WHEN NOT MATCHED THEN INSERT ("TOPIC", "KEY", "VERSION") VALUES (${textLiteral(topic)}, s."KEY", s."VERSION")`
  );
}

/**
 *   SELECT "K", NULL FROM "T" WHERE "K" IS NOT NULL AND ("K" > :1) ORDER BY "K" FETCH FIRST 10 ROWS ONLY
 *
 * Of several columns: "K" > :1 OR ("K" = :2 AND ("L" > :3)), which is a range of the index.
 */
function keysPage(table: TargetTable, naming: Naming, goesOn: boolean): string {
  const keys = keysOf(table, naming);
  const version = table.versionColumn === undefined ? 'NULL' : naming.quoted(table.versionColumn);
  const conditions = keys.map((key) => `${key} IS NOT NULL`);
  if (goesOn) conditions.push(`(${behind(table, keys, 1)})`);
  return (
    `SELECT ${keys.join(', ')}, ${version} FROM ${naming.quoted(table.name)} WHERE ${conditions.join(' AND ')} ` +
    `ORDER BY ${keys.join(', ')} FETCH FIRST ${keysOfPage} ROWS ONLY`
  );
}

function behind({ keyColumns }: Pick<TargetTable, 'keyColumns'>, keys: readonly string[], bind: number): string {
  const at = keyColumns.length - keys.length;
  const [key = '', ...rest] = keys;
  // A number is bound as the text that it was read as.
  const bound = (position: number): string =>
    keyColumns[at]?.type === 'string' ? `:${position}` : `CAST(:${position} AS NUMBER)`;
  const after = `${key} > ${bound(bind)}`;
  if (rest.length === 0) return after;
  return `${after} OR (${key} = ${bound(bind + 1)} AND (${behind({ keyColumns }, rest, bind + 2)}))`;
}

/** The binds of nextKeys. @param last the last key of the page before, as texts */
export function keysAfter<Value>(last: readonly Value[]): Value[] {
  return last.flatMap((value, index) => (index === last.length - 1 ? [value] : [value, value]));
}

function keysOf({ keyColumns }: Pick<TargetTable, 'keyColumns'>, naming: Naming): string[] {
  return keyColumns.map(({ name }) => naming.quoted(name));
}

/** CREATE TABLE of a target table. */
export function createTable(table: TargetTable, naming: Naming, textLength: number | undefined): string {
  const columns = tableColumns(table, textLength).map(
    ({ name, type, inKey }) => `${naming.quoted(name)} ${type}${inKey ? ' NOT NULL' : ''}`,
  );
  const key = `PRIMARY KEY (${keysOf(table, naming).join(', ')})`;
  return `CREATE TABLE ${naming.quoted(table.name)} (${[...columns, key].join(', ')})`;
}

/** ALTER TABLE that adds columns, which are nullable. */
export function addColumns(
  table: TargetTable,
  naming: Naming,
  columns: readonly { readonly name: string; readonly type: string }[],
): string {
  const added = columns.map(({ name, type }) => `${naming.quoted(name)} ${type}`);
  return `ALTER TABLE ${naming.quoted(table.name)} ADD (${added.join(', ')})`;
}

export interface WantedColumn {
  readonly name: string;
  readonly type: string;
  readonly inKey: boolean;
}

/** The columns of a target table, with the types that they are made with. */
export function tableColumns(table: TargetTable, textLength: number | undefined): WantedColumn[] {
  const { keyColumns, valueColumns, versionColumn } = table;
  const texts = keyColumns.filter(({ type }) => type === 'string').length;
  return [
    ...keyColumns.map(({ name, type }) => ({ name, type: createdKeyType(type, texts), inKey: true })),
    ...valueColumns.map(({ name, type }) => ({ name, type: createdType(type, textLength), inKey: false })),
    ...(versionColumn === undefined ? [] : [{ name: versionColumn, type: versionType, inKey: false }]),
  ];
}
