import type { BenchmarkOptions } from '../benchmark.ts';
import { Cleanup } from '../cleanup.ts';
import { databaseKinds, loadDatabaseKind } from '../databases/index.ts';
import { figureOf, figureOfRounds, type Figure, type Pair } from '../figure.ts';
import { startServers, type Servers } from '../servers.ts';
import { makeSetup, type Setup } from '../setup.ts';
import { measureMemory, measureRound, sinkOf, tableOf, writers, type Database, type Round } from './measure.ts';
import { fullPlan, quickPlan, type Plan } from './plan.ts';
import { fillTopics, mappingNames } from './topics.ts';

/** Each kind of sink beside its driver, on private servers. docs/benchmarks.md says what each line means. */
export async function sinks({ quick, only, say }: BenchmarkOptions): Promise<Figure[]> {
  const plan = quick ? quickPlan : fullPlan;
  const cleanup = new Cleanup();
  try {
    say('starting servers');
    const servers = await startServers(cleanup);
    const databases: Database[] = [];
    for (const name of only.length > 0 ? only : databaseKinds) {
      const kind = await loadDatabaseKind(name);
      databases.push({ name, kind, address: await kind.start(cleanup, servers.folder) });
    }
    const setup = await makeSinks(servers, databases, plan);
    say('filling the topics');
    const { longestMs } = plan;
    const measuring = { servers, setup, longestMs, say, marks: await fillTopics(servers, setup, plan) };
    const figures: Figure[] = [];
    for (const database of databases) {
      const rounds: Round[] = [];
      for (let round = 1; round <= plan.rounds; round++) {
        say(`${database.kind.label}: round ${round} of ${plan.rounds}`);
        rounds.push(await measureRound(measuring, database, round));
      }
      say(`${database.kind.label}: memory`);
      const smallPeak = Math.max(...rounds.map(({ peakMemory }) => peakMemory));
      figures.push(...figuresOf(database, rounds, await measureMemory(measuring, database, smallPeak), plan));
    }
    return figures;
  } finally {
    await cleanup.close();
  }
}

/** Every sink that is started, and every one whose dialect is asked to write without it. */
async function makeSinks(servers: Servers, databases: readonly Database[], plan: Plan): Promise<Setup> {
  const { rounds, sourceBatch, sinkBatch } = plan;
  const tables = writers.flatMap((writer) => Array.from({ length: rounds }, (_, i) => tableOf(writer, i + 1)));
  tables.push(tableOf('sink', 'backlog'));
  const sinks = databases.flatMap((database) =>
    tables.flatMap((table) =>
      mappingNames.map((mapping) => {
        const options = {
          ...database.kind.sinkOptions(database.address),
          mappings: [mapping],
          tables: { [mapping]: { name: table } },
          ...(sinkBatch === undefined ? {} : { batch: { rows: sinkBatch } }),
          // A sink that is new to a full table reads all of its keys in the end (rule 17); writing is what is measured.
          orphans: { policy: 'keep' },
        };
        return [sinkOf(database, table, mapping), options] as const;
      }),
    ),
  );
  return await makeSetup(servers, {
    pipeline: 'bench',
    redis: servers.redis.url,
    mappings: mappingNames,
    sourceBatch,
    sinks: Object.fromEntries(sinks),
  });
}

function figuresOf({ kind }: Database, rounds: readonly Round[], memory: Pair, plan: Plan): Figure[] {
  const { label } = kind;
  const beside = (what: 'inserts' | 'updates', of: 'sink' | 'dialect'): Figure =>
    figureOfRounds(
      `${label}, ${what}: ${of === 'sink' ? 'sink' : 'its statements alone'}`,
      'rows/s',
      'driver alone',
      rounds.map(({ [what]: rates }) => ({ value: rates[of], limit: rates.driver })),
    );
  const [large, small] = [plan.backlog, plan.rows].map((rows) => rows.toLocaleString('en'));
  return [
    beside('inserts', 'sink'),
    beside('updates', 'sink'),
    beside('inserts', 'dialect'),
    beside('updates', 'dialect'),
    figureOf(`${label}: peak memory of the sink, ${large} rows`, 'MiB', `with ${small} rows`, memory),
  ];
}
