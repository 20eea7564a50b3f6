import type { BenchmarkOptions } from '../benchmark.ts';
import { Cleanup } from '../cleanup.ts';
import { figureOf, figureOfRounds, percentile, type Figure } from '../figure.ts';
import { writeHashes } from '../hashes.ts';
import { startServers, type Servers } from '../servers.ts';
import { startSink, startSource, untilReady, type Setup } from '../setup.ts';
import { makePipeline, mappingName, sinkName, startDatabase, type Database } from './database.ts';
import { measureLatency, type Latencies } from './latency.ts';
import { measureMemory } from './memory.ts';
import { fullPlan, quickPlan, type Plan } from './plan.ts';
import { measureRound, type Round } from './throughput.ts';

/** Redis → Kafka → PostgreSQL, on private servers. docs/benchmarks.md says what each line means. */
export async function pipeline({ quick, say }: BenchmarkOptions): Promise<Figure[]> {
  const plan = quick ? quickPlan : fullPlan;
  const cleanup = new Cleanup();
  try {
    say('starting servers');
    const servers = await startServers(cleanup);
    const database = await startDatabase(cleanup, servers);
    await writeHashes(servers.redis.client, mappingName, plan.hashes);
    const setups: Setup[] = [];
    const rounds: Round[] = [];
    for (let round = 1; round <= plan.rounds; round++) {
      say(`round ${round} of ${plan.rounds}`);
      const setup = await makePipeline(servers, database, servers.redis.url, `bench_${round}`, plan);
      setups.push(setup);
      rounds.push(await measureRound(servers, database, setup, round, plan, say));
    }
    say('latency');
    const latencies = await runLatency(servers, database, setups.at(-1), plan);
    say('memory');
    const memory = await measureMemory(servers, database, plan);
    return [
      ...throughputFigures(rounds),
      ...latencyFigures(latencies, plan),
      figureOf(
        `source: peak memory, ${plan.memoryHashes.toLocaleString('en')} hashes`,
        'MiB',
        'used_memory of Redis',
        memory,
      ),
    ];
  } finally {
    await cleanup.close();
  }
}

async function runLatency(
  servers: Servers,
  { pool }: Database,
  setup: Setup | undefined,
  plan: Plan,
): Promise<Latencies> {
  if (setup === undefined) throw new RangeError('there was no round');
  const cleanup = new Cleanup();
  try {
    const source = startSource(cleanup, setup);
    const sink = startSink(cleanup, setup, sinkName);
    await Promise.all([untilReady(source, setup.ports.source), untilReady(sink, setup.ports.sink)]);
    const found = await measureLatency(servers.redis.client, pool, setup.pipeline, plan);
    await Promise.all([source.stop(), sink.stop()]);
    return found;
  } finally {
    await cleanup.close();
  }
}

function throughputFigures(rounds: readonly Round[]): Figure[] {
  const producer = 'bare kafkajs producer';
  return [
    figureOfRounds(
      'source: snapshot',
      'records/s',
      producer,
      rounds.map(({ snapshot }) => snapshot),
    ),
    figureOfRounds(
      'source: live',
      'records/s',
      producer,
      rounds.map(({ live }) => live),
    ),
    figureOfRounds(
      'sink: PostgreSQL',
      'rows/s',
      'raw upserts',
      rounds.map(({ sink }) => sink),
    ),
  ];
}

function latencyFigures({ latencies, gaps }: Latencies, { latency }: Plan): Figure[] {
  return (
    [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const
  ).map(([name, share]) =>
    figureOf(`HSET to visible row, ${latency.rate}/s: ${name}`, 'ms', `${name} between two looks`, {
      value: percentile(latencies, share),
      limit: percentile(gaps, share),
    }),
  );
}
