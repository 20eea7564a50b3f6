import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import pg from 'pg';
import { checkConfig } from '../../config/index.ts';
import { uniqueName } from './names.ts';
import { shared } from './servers.ts';
import { auditTable, createAuditedTables, type AuditedTable } from './table-audit.ts';
import type { LastEvent, TopicFindings } from './topic-audit.ts';

const { config } = checkConfig(
  JSON.stringify({
    pipeline: 'shop',
    kafka: { brokers: ['127.0.0.1:9092'] },
    registry: { url: 'http://127.0.0.1:8081' },
    source: { url: 'redis://127.0.0.1:6379' },
    mappings: {
      plain: { key: 'p:{id}', fields: { a: { type: 'int' }, at: { type: 'timestamp' } } },
      guarded: { key: 'g:{id}', fields: { a: { type: 'int' }, at: { type: 'timestamp' } } },
    },
    sinks: {},
  }),
);

const at = Date.parse('2026-01-02T03:04:05.678Z');
const wasSaid: TopicFindings = findings([
  { version: 1, after: { a: 1, at: at * 1000 } },
  { version: 2, after: { a: 2, at: null } },
  { version: 3, after: null },
  { version: 4, after: { a: 4, at: null } },
]);

function findings(history: readonly Omit<LastEvent, 'keyRow'>[]): TopicFindings {
  const events = history.map((event) => ({ ...event, keyRow: { id: 'x' } }));
  const last = new Map(events.slice(-1).map((event) => ['01', event]));
  return { events: 0, ops: {}, last, histories: new Map([['01', events]]) };
}

/** Two audited tables; runs the statements on both, `v` being the version column of one. */
async function tables(
  t: TestContext,
  statements: readonly Write[],
  said = wasSaid,
): Promise<(name: 'plain' | 'guarded') => Promise<number>> {
  const client = new pg.Pool({ connectionString: shared('postgres'), max: 1 });
  const schema = uniqueName('audit');
  t.after(async () => {
    await client.query(`DROP SCHEMA "${schema}" CASCADE`);
    await client.end();
  });
  const { plain, guarded } = config?.mappings ?? {};
  assert.ok(plain !== undefined && guarded !== undefined);
  const audited: Record<'plain' | 'guarded', AuditedTable> = {
    plain: { mapping: plain, versionColumn: undefined },
    guarded: { mapping: guarded, versionColumn: 'v' },
  };
  await createAuditedTables(client, schema, [audited.plain, audited.guarded]);
  // The sink makes it.
  await client.query(`CREATE TABLE "${schema}".afterwrite_deleted (topic text, key bytea, version bigint)`);
  for (const write of statements) {
    for (const { mapping, versionColumn } of [audited.plain, audited.guarded]) {
      const table = `"${schema}"."${mapping.table}"`;
      if (write === 'delete') await client.query(`DELETE FROM ${table}`);
      else await client.query(upsert(table, write, versionColumn));
    }
  }
  return (name) => auditTable(client, schema, audited[name], said);
}

type Write = 'delete' | { readonly v: number; readonly a: number; readonly at: string };

function upsert(table: string, { v, a, at: time }: Exclude<Write, string>, versionColumn: string | undefined): string {
  const version = versionColumn === undefined ? '' : `, ${v}`;
  const setVersion = versionColumn === undefined ? '' : ', v = EXCLUDED.v';
  return `INSERT INTO ${table} VALUES ('x', ${a}, ${time}${version})
    ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a, at = EXCLUDED.at${setVersion}`;
}

const first = { v: 1, a: 1, at: `'2026-01-02T03:04:05.678Z'` };
const second = { v: 2, a: 2, at: 'NULL' };
const fourth = { v: 4, a: 4, at: 'NULL' };

test('changes that follow from the topic pass, with and without what a batch leaves out', async (t) => {
  const whole = await tables(t, [first, second, 'delete', fourth]);
  assert.deepEqual([await whole('plain'), await whole('guarded')], [4, 4]);
  const part = await tables(t, [first, fourth]);
  assert.deepEqual([await part('plain'), await part('guarded')], [2, 2]);
});

test('the audit of a table finds each kind of fault', async (t) => {
  const faults: [writes: Write[], plain: RegExp | undefined, guarded: RegExp][] = [
    [[first, first, fourth], /does not follow from the topic/, /applies version 1 after 1/],
    [[first, second, first, second, fourth], /does not follow/, /applies version 1 after 2/],
    [[second, 'delete', second, fourth], /does not follow/, /applies version 2 after 2/],
    [
      [first, second],
      /the last event of the topic is the last one applied/,
      /the last version of the topic is applied/,
    ],
    [[first, { ...fourth, v: 7 }], undefined, /version 7 is not in the topic/],
    [[], /the last event of the topic is the last one applied/, /the last version of the topic is applied/],
  ];
  for (const [writes, plain, guarded] of faults) {
    const audit = await tables(t, writes);
    await assert.rejects(audit('guarded'), guarded);
    if (plain !== undefined) await assert.rejects(audit('plain'), plain);
  }
});

test('a delete at the end of a history has to be remembered where there is a guard (rule 18)', async (t) => {
  const gone = findings([
    { version: 1, after: { a: 1, at: at * 1000 } },
    { version: 2, after: null },
  ]);
  const audit = await tables(t, [first, 'delete'], gone);
  assert.equal(await audit('plain'), 2);
  await assert.rejects(audit('guarded'), /its last delete is remembered/);
});
