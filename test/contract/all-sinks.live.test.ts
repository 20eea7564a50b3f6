import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Config } from '../../config/index.ts';
import { freePort } from '../../services/ports.ts';
import type { ColumnValue } from '../../schemas/index.ts';
import { sinkOf, sinkTargets, type SinkTarget } from '../../sink-connector/targets.ts';
import { createDialect, sinkKinds } from '../../sink-connector/write/registry.ts';
import { Oracle, type Expected } from '../support/oracle.ts';
import { Connector } from '../support/processes.ts';
import { Random, seedOfTest } from '../support/random.ts';
import { TestPipeline } from '../support/source/pipeline.ts';
import { untilEqual } from '../support/until.ts';
import { captured } from '../support/workload-commands.ts';
import { Workload } from '../support/workload.ts';
import type { ContractBinding, ContractDatabase, Traits } from './binding.ts';
import { canonical, inOrder, kept, tableRows, type CanonicalRow } from './canonical.ts';

/** Every removal deletes its row, so that rows equal hashes exactly. */
const removals = Object.fromEntries(
  ['deleted', 'expired', 'evicted', 'flushed', 'vanished', 'ambiguous'].map((cause) => [cause, 'delete']),
);
const mix = { keys: 120, badValues: false, fromUncaptured: false, flushes: true, swaps: true };
const patience = { timeoutMs: 120_000, everyMs: 200 };
const ROUNDS = 3;

/** A sink of one kind: its database, and the process that writes it. */
interface Member {
  readonly kind: string;
  readonly traits: Traits;
  readonly database: ContractDatabase;
  readonly targets: readonly SinkTarget[];
  readonly process: Connector;
}

test('one source feeds a sink of every kind, each is stopped and killed meanwhile, and all end as Redis', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const pipeline = await TestPipeline.open(t, { mappings: captured, source: { removals } });
  const { members, config } = await openMembers(t, pipeline);
  const port = pipeline.redis.port;
  const workload = new Workload(t, { ...mix, port, seed: random.below(2 ** 31), rate: 120, steps: 1_000_000 });
  const source = pipeline.start({ sinks: config.sinks });
  for (const { process } of members) process.start();
  for (const { process } of members) await process.ready(120_000);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { process } of members) {
      await workload.more(40);
      if (random.chance(0.5)) {
        await process.kill();
      } else {
        // One that has just begun is ended by a signal as any program is.
        await process.untilAnswers('/healthz', 200);
        await process.stop();
      }
      await workload.more(20);
      process.start();
    }
  }
  await workload.stop();
  // A flush near the end would leave nothing to compare.
  const last = new Workload(t, { ...mix, port, seed: random.below(2 ** 31), rate: 120, steps: 300, flushes: false });
  await last.more(300);
  await last.stop();
  await source.caughtUp();
  for (const { topic, oracle } of oraclesOf(config)) {
    const expected = await oracle.expected(pipeline.redis.client);
    assert.ok(expected.rows.size > 10 && expected.rejected.size === 0, 'the workload leaves rows');
    for (const member of members) {
      const target = member.targets.find(({ table }) => table.topic === topic);
      assert.ok(target !== undefined);
      const rows = expectedRows(expected, target, member.traits);
      await untilEqual(`${member.kind}: ${target.table.name}`, rows, () => shownRows(member, target), patience);
    }
    t.diagnostic(
      `${oracle.mapping.table}: ${expected.rows.size} rows in ${members.map(({ kind }) => kind).join(', ')}`,
    );
  }
  for (const { kind, process } of members) {
    await process.stop();
    t.diagnostic(`${kind}: ${process.lives} lives`);
    assert.equal(process.lives, ROUNDS + 1);
  }
});

/** A database and a sink process of every kind that there is, on one configuration. */
async function openMembers(t: TestContext, pipeline: TestPipeline): Promise<{ members: Member[]; config: Config }> {
  const file = join(pipeline.folder, 'all-sinks.yaml');
  const opened: { binding: ContractBinding; process: Connector; database: ContractDatabase; httpPort: number }[] = [];
  for (const kind of sinkKinds) {
    const httpPort = await freePort();
    // Told first: it has to end before its database does.
    const process = new Connector(t, {
      name: kind,
      args: ['sink', kind, '-c', file],
      folder: pipeline.folder,
      httpPort,
    });
    const binding = await bindingOf(kind);
    opened.push({ binding, process, database: await binding.open(t), httpPort });
  }
  const sinks: Record<string, Readonly<Record<string, unknown>>> = Object.fromEntries(
    opened.map(({ binding: { kind }, database, httpPort }) => {
      const options = { create: true, batch: { linger: '20ms' }, http: { port: httpPort } };
      return [kind, { ...options, ...database.sinkOptions }];
    }),
  );
  for (const [kind, options] of Object.entries(sinks)) {
    const sink = sinkOf(pipeline.config({ sinks: { [kind]: options } }), kind);
    const { commit, appends = false } = (await createDialect(kind, sink)).capabilities;
    // One table with the guard, and one without it, where versions are not kept anyhow.
    if (commit === 'transaction' && !appends) sinks[kind] = { ...options, tables: { person: { versionColumn: 'v' } } };
  }
  const config = pipeline.config({ sinks });
  await writeFile(file, JSON.stringify(config));
  const members = opened.map(({ binding: { kind, traits }, database, process }): Member => {
    return { kind, traits, database, process, targets: sinkTargets(config, sinkOf(config, kind)) };
  });
  return { members, config };
}

async function bindingOf(kind: string): Promise<ContractBinding> {
  const module: unknown = await import(new URL(`bindings/${kind}.js`, import.meta.url).href);
  assert.ok(isBindingModule(module), `bindings/${kind}.ts has the binding of ${kind}`);
  return module.binding;
}

function isBindingModule(module: unknown): module is { binding: ContractBinding } {
  return typeof module === 'object' && module !== null && 'binding' in module;
}

function oraclesOf({ mappings }: Config): { topic: string; oracle: Oracle }[] {
  return Object.values(mappings).map((mapping) => ({ topic: mapping.topic, oracle: new Oracle(mapping) }));
}

/** What the hashes say, as this database can hold it. */
function expectedRows({ rows }: Expected, { table }: SinkTarget, traits: Traits): CanonicalRow[] {
  const columns = [...table.keyColumns, ...table.valueColumns];
  const all = [...rows.values()].map((row) =>
    columns.map(({ name, type }) => {
      const text = row[name] ?? null;
      const value: ColumnValue = text !== null && type === 'timestamp' ? BigInt(text) : text;
      return canonical(type, kept(traits, type, value));
    }),
  );
  return inOrder(all);
}

function shownRows({ database }: Member, { table }: SinkTarget): Promise<CanonicalRow[]> {
  return tableRows(database, table.name, [...table.keyColumns, ...table.valueColumns]);
}
