import { Cleanup } from '../cleanup.ts';
import type { Pair } from '../figure.ts';
import { Program } from '../program.ts';
import { fillBySink, fillRaw } from '../fill.ts';
import { changeHashes } from '../hashes.ts';
import { readMarks } from '../marks.ts';
import { PublishedReader, type OffsetRange, type Published } from '../published.ts';
import type { Servers } from '../servers.ts';
import { startSource, topicOf, type Setup } from '../setup.ts';
import type { BareProducerResult, BareProducerTask } from './bare-producer.ts';
import { mappingName, rawSinkName, rawTableOf, sinkName, type Database } from './database.ts';
import type { Plan } from './plan.ts';

/** The three things that are measured in each round, each beside its limit. */
export interface Round {
  readonly snapshot: Pair;
  readonly live: Pair;
  readonly sink: Pair;
}

interface Measuring {
  readonly servers: Servers;
  readonly database: Database;
  readonly setup: Setup;
  readonly round: number;
  readonly plan: Plan;
  readonly cleanup: Cleanup;
  readonly say: (line: string) => void;
}

/** One round: snapshot, sink, live, each followed by its limit. Redis holds the hashes already. */
export async function measureRound(
  servers: Servers,
  database: Database,
  setup: Setup,
  round: number,
  plan: Plan,
  say: (line: string) => void,
): Promise<Round> {
  const cleanup = new Cleanup();
  try {
    const measuring = { servers, database, setup, round, plan, cleanup, say };
    const published = await PublishedReader.open(cleanup, servers, setup, topicOf(setup, mappingName));
    const first = await runSnapshot(measuring, published);
    const snapshot = { value: first.rate, limit: await bareRate(measuring, 'snapshot', first.ranges) };
    const sink = await measureSink(measuring);
    const second = await runLive(measuring, published);
    const live = { value: second.rate, limit: await bareRate(measuring, 'live', second.ranges) };
    return { snapshot, live, sink };
  } finally {
    await cleanup.close();
  }
}

async function runSnapshot({ setup, cleanup, say }: Measuring, published: PublishedReader): Promise<Published> {
  const source = startSource(cleanup, setup);
  await published.position('the end of the snapshot', ({ snapshot }) => !snapshot, source);
  return await ended('snapshot', source, published, say);
}

/** The commands wait in the backlog, so that the source and not their writer sets the pace. */
async function runLive(measuring: Measuring, published: PublishedReader): Promise<Published> {
  const { servers, setup, round, plan, cleanup, say } = measuring;
  const { client } = servers.redis;
  await changeHashes(client, mappingName, { hashes: plan.hashes, commands: plan.commands, round });
  const source = startSource(cleanup, setup);
  await published.caughtUp(client, source);
  return await ended('live', source, published, say);
}

async function ended(
  what: string,
  source: Program,
  reader: PublishedReader,
  say: (line: string) => void,
): Promise<Published> {
  const cpu = source.cpuSeconds();
  await source.stop();
  const published = await reader.take();
  const { records, rate } = published;
  const micros = ((cpu * 1e6) / records).toFixed(1);
  say(`${what}: ${records} records, ${rate.toFixed(0)}/s; ${micros} µs of CPU a record, with the start`);
  return published;
}

async function bareRate(
  { servers, setup, plan, cleanup, say }: Measuring,
  what: string,
  ranges: readonly OffsetRange[],
): Promise<number> {
  const to = `${setup.pipeline}.bare-${what}`;
  const task: BareProducerTask = {
    broker: servers.kafka.address,
    from: topicOf(setup, mappingName),
    ranges,
    to,
    transaction: plan.sourceBatch,
  };
  const program = Program.start(cleanup, {
    name: to,
    folder: setup.folder,
    script: 'dist/bench/pipeline/bare-producer.js',
    args: [JSON.stringify(task)],
  });
  await program.ended();
  const { rate, cpuMicros } = resultOf(program.printed());
  say(`${what}, bare producer: ${rate.toFixed(0)}/s; ${cpuMicros.toFixed(1)} µs of CPU a record`);
  return rate;
}

function resultOf(printed: string): BareProducerResult {
  const result: unknown = JSON.parse(printed);
  if (typeof result === 'object' && result !== null && 'rate' in result && 'cpuMicros' in result) {
    const { rate, cpuMicros } = result;
    if (typeof rate === 'number' && typeof cpuMicros === 'number') return { rate, cpuMicros };
  }
  throw new Error(`the bare producer printed something else than its result: ${printed}`);
}

/** What stands between the topic and PostgreSQL: how fast the sink fills a table, and what the same takes without it. */
async function measureSink({ servers, database, setup, plan, cleanup, say }: Measuring): Promise<Pair> {
  const look = await database.kind.look(cleanup, database.address);
  const marks = await readMarks(servers, setup, mappingName, plan.markEvery);
  const watched = { look, marks, minAge: 0, longestMs: Infinity };
  const { rate: value } = await fillBySink(cleanup, setup, sinkName, { ...watched, table: setup.pipeline });
  say(`sink: ${value.toFixed(0)} rows/s`);
  const task = {
    configFile: setup.configFile,
    sink: rawSinkName,
    broker: servers.kafka.address,
    address: database.address,
    statements: 'driver',
  } as const;
  const table = rawTableOf(setup.pipeline);
  const { rate: limit } = await fillRaw(cleanup, setup, task, { ...watched, table });
  say(`raw upserts: ${limit.toFixed(0)} rows/s`);
  return { value, limit };
}
