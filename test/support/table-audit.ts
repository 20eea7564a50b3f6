import assert from 'node:assert/strict';
import type pg from 'pg';
import type { FieldConfig, MappingConfig } from '../../config/index.ts';
import type { LastEvent, TopicFindings } from './topic-audit.ts';
import type { AvroRow } from './topic-history.ts';

type ColumnType = FieldConfig['type'];

/** Of the types that the tests' mappings have. */
const sqlTypes: Readonly<Partial<Record<ColumnType, string>>> = {
  string: 'text',
  int: 'integer',
  long: 'bigint',
  double: 'double precision',
  boolean: 'boolean',
  timestamp: 'timestamp with time zone',
};

/** A mapping's table whose every change is written down by a trigger. */
export interface AuditedTable {
  readonly mapping: MappingConfig;
  /** The guard column, if the table has one. */
  readonly versionColumn: string | undefined;
}

interface Applied {
  readonly tab: string;
  readonly op: 'INSERT' | 'UPDATE' | 'DELETE';
  /** The row after an INSERT or UPDATE, before a DELETE. */
  readonly data: AvroRow;
}

/** Makes the tables of mappings in a new schema, with triggers that write each change into a table of their own. */
export async function createAuditedTables(
  client: pg.Pool,
  schema: string,
  tables: readonly AuditedTable[],
): Promise<void> {
  await client.query(`
    CREATE SCHEMA "${schema}";
    CREATE TABLE "${schema}".audit (seq bigserial PRIMARY KEY, tab text, op text, data jsonb, txid bigint);
    CREATE FUNCTION "${schema}".audit() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO "${schema}".audit (tab, op, data, txid)
        VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END), txid_current());
        RETURN NULL;
      END $$`);
  for (const { mapping, versionColumn } of tables) {
    const keys = keyColumns(mapping);
    const columns = [...keys, ...valueColumns(mapping)].map(([name, type]) => `"${name}" ${sqlType(type)}`);
    if (versionColumn !== undefined) columns.push(`"${versionColumn}" bigint`);
    const table = `"${schema}"."${mapping.table}"`;
    await client.query(`
      CREATE TABLE ${table} (${columns.join(', ')}, PRIMARY KEY (${keys.map(([name]) => `"${name}"`).join(', ')}));
      CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON ${table}
      FOR EACH ROW EXECUTE FUNCTION "${schema}".audit()`);
  }
}

/**
 * Checks what was done to a table against what its topic says: nothing that the topic does not say, nothing twice,
 * nothing out of order, and the last event of each key in the end.
 *
 * A sink writes only the last event that a batch has for a key, so what was done to a row is a part of its history in
 * the topic, in the same order. Doing an event again would break that order.
 * @returns how many changes of rows there were.
 * @throws AssertionError that names the row
 */
export async function auditTable(
  client: pg.Pool,
  schema: string,
  { mapping, versionColumn }: AuditedTable,
  topic: TopicFindings,
): Promise<number> {
  const { rows } = await client.query<Applied>(
    `SELECT tab, op, data FROM "${schema}".audit WHERE tab = $1 ORDER BY seq`,
    [mapping.table],
  );
  const byKey = new Map<string, Applied[]>();
  for (const row of rows) {
    const key = keyOf(mapping, row.data);
    const one = byKey.get(key);
    if (one === undefined) byKey.set(key, [row]);
    else one.push(row);
  }
  for (const history of topic.histories.values()) {
    const key = keyOf(mapping, history[0]?.keyRow ?? {});
    const applied = byKey.get(key) ?? [];
    byKey.delete(key);
    if (versionColumn !== undefined) checkVersions(`${mapping.table} ${key}`, applied, history, versionColumn);
    checkOrder(mapping, key, applied, history);
  }
  assert.deepEqual([...byKey.keys()], [], `${mapping.table}: changes of rows that the topic never had`);
  if (versionColumn !== undefined) await checkDeleted(client, schema, mapping, topic);
  return rows.length;
}

/** Rule 18: no version is applied twice to a key, versions rise, and the last one of the topic is the last one applied. */
function checkVersions(
  at: string,
  applied: readonly Applied[],
  history: readonly LastEvent[],
  versionColumn: string,
): void {
  const known = new Set(history.map(({ version }) => version));
  let last = 0;
  for (const { op, data } of applied) {
    const version = Number(data[versionColumn]);
    if (op === 'DELETE') {
      assert.equal(version, last, `${at}: a DELETE removes the version that was applied last`);
      continue;
    }
    assert.ok(version > last, `${at}: ${op} applies version ${version} after ${last}`);
    assert.ok(known.has(version), `${at}: version ${version} is not in the topic`);
    last = version;
  }
  const end = history.at(-1);
  if (end?.after != null) assert.equal(last, end.version, `${at}: the last version of the topic is applied last`);
}

/** Rule 18: a key whose last event is a delete is remembered with that event's version, so that nothing older comes back. */
async function checkDeleted(
  client: pg.Pool,
  schema: string,
  { topic, table }: MappingConfig,
  { last }: TopicFindings,
): Promise<void> {
  const { rows } = await client.query<{ key: string; version: string }>(
    `SELECT encode(key, 'hex') AS key, version FROM "${schema}".afterwrite_deleted WHERE topic = $1`,
    [topic],
  );
  const remembered = new Map(rows.map(({ key, version }) => [key, Number(version)]));
  for (const [key, { keyRow, version, after }] of last) {
    const at = `${table} ${JSON.stringify(keyRow)}`;
    if (after === null) assert.equal(remembered.get(key), version, `${at}: its last delete is remembered`);
  }
}

/** Finds each change in the topic's history, each after the one before. */
function checkOrder(
  mapping: MappingConfig,
  key: string,
  applied: readonly Applied[],
  history: readonly LastEvent[],
): void {
  const said = history.map(({ after }) => (after === null ? 'gone' : rowText(mapping, after)));
  let next = 0;
  for (const [index, { op, data }] of applied.entries()) {
    const done = op === 'DELETE' ? 'gone' : rowText(mapping, data);
    const found = said.indexOf(done, next);
    assert.ok(
      found >= 0,
      `${mapping.table} ${key}: change ${index + 1} of ${applied.length} (${op} ${done}) does not follow from the topic, ` +
        `where after event ${next} of ${said.length} comes ${said.slice(next, next + 5).join('; ')}`,
    );
    next = found + 1;
  }
  const wasThere = applied.length > 0 || said.at(-1) !== 'gone';
  const lastDone = applied.at(-1);
  if (!wasThere) return;
  const end = lastDone === undefined || lastDone.op === 'DELETE' ? 'gone' : rowText(mapping, lastDone.data);
  assert.equal(end, said.at(-1), `${mapping.table} ${key}: the last event of the topic is the last one applied`);
}

function keyColumns(mapping: MappingConfig): [name: string, type: ColumnType][] {
  return [...mapping.key.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [name, mapping.keyTypes[name] ?? 'string']);
}

function valueColumns(mapping: MappingConfig): [name: string, type: ColumnType][] {
  return Object.values(mapping.fields).map(({ column, type }) => [column, type]);
}

function sqlType(type: ColumnType): string {
  const name = sqlTypes[type];
  if (name === undefined) throw new Error(`the audit of tables knows no columns of type ${type}`);
  return name;
}

function keyOf(mapping: MappingConfig, row: AvroRow): string {
  return JSON.stringify(keyColumns(mapping).map(([name]) => row[name]));
}

/** The same text for a row of the topic and for one that a trigger wrote down. */
function rowText(mapping: MappingConfig, row: AvroRow): string {
  return JSON.stringify(
    valueColumns(mapping).map(([name, type]) => {
      const value = row[name] ?? null;
      return type === 'timestamp' && typeof value === 'string' ? Date.parse(value) * 1000 : value;
    }),
  );
}
