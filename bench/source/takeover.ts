import { Cleanup } from '../cleanup.ts';
import { figureOf, type Figure } from '../figure.ts';
import { writeHashes } from '../hashes.ts';
import { startServers, type Servers } from '../servers.ts';
import { makeSetup, secondWorker, startSource, untilReady } from '../setup.ts';
import type { Program } from '../program.ts';
import { prefix } from './make-bytes.ts';
import type { Plan } from './plan.ts';

/** What the project promises, s. */
const promise = 15;

/** How long a second worker takes to carry on for one that is killed with kill -9, and with what. */
export async function measureTakeover({ takeoverRows }: Plan, say: (line: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const rows of takeoverRows) {
    const cleanup = new Cleanup();
    try {
      say(`takeover of ${rows} rows: starting servers`);
      figures.push(...(await measureOnce(cleanup, await startServers(cleanup), rows, say)));
    } finally {
      await cleanup.close();
    }
  }
  return figures;
}

async function measureOnce(
  cleanup: Cleanup,
  servers: Servers,
  rows: number,
  say: (line: string) => void,
): Promise<Figure[]> {
  const { client, url: redis } = servers.redis;
  await writeHashes(client, prefix, rows);
  const setup = await makeSetup(servers, {
    pipeline: 'takeover',
    redis,
    mappings: [prefix],
    sourceBatch: 10_000,
    sinks: {},
  });
  const owner = startSource(cleanup, setup);
  await untilReady(owner, setup.ports.source);
  await untilCommitted(owner, setup.ports.source, await offsetOf(servers));
  const other = await secondWorker(setup);
  const heir = startSource(cleanup, other);
  await untilReady(heir, other.ports.source);

  const killedAt = Date.now();
  owner.kill();
  await client.hset(`${prefix}:0`, 'last_name', 'written after the kill');
  await untilCommitted(heir, other.ports.source, await offsetOf(servers));
  const whole = (Date.now() - killedAt) / 1000;

  const at = (message: string): number => (momentOf(heir, message) - killedAt) / 1000;
  const noticed = at('the shard is this worker’s');
  const rebuilt = at('the state is rebuilt from the topics');
  const read = at('the snapshot is read');
  say(
    `noticed after ${noticed} s, rebuilt after ${rebuilt} s, snapshot read after ${read} s, in Kafka after ${whole} s`,
  );
  const of = `takeover of ${rows.toLocaleString('en')} rows`;
  const part = (name: string, value: number): Figure =>
    figureOf(`${of}: ${name}`, 's', 'all of it', { value, limit: whole });
  return [
    figureOf(`${of}: kill -9 to the next change in Kafka`, 's', 'what is promised', { value: whole, limit: promise }),
    part('until the group notices', noticed),
    part('state rebuilt from the topics', rebuilt - noticed),
    part('snapshot compared with it', read - rebuilt),
  ];
}

/** Where the server's stream is. */
async function offsetOf({ redis }: Servers): Promise<number> {
  return Number(/^master_repl_offset:(\d+)/m.exec(await redis.client.info('replication'))?.[1]);
}

/** Waits until all of the stream up to an offset is in Kafka. */
async function untilCommitted(source: Program, port: number, offset: number): Promise<void> {
  const look = async (): Promise<boolean> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const value = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? -1);
    const streams = value('afterwrite_source_state\\{shard="0",state="streaming"\\}') === 1;
    return streams && value('afterwrite_source_offset\\{shard="0"\\}') >= offset;
  };
  await source.until(`the stream in Kafka up to ${offset}`, look, { timeoutMs: 300_000, everyMs: 20 });
}

/** When a program logged a message for the last time, ms since the epoch. */
function momentOf(program: Program, message: string): number {
  const moments = program
    .printed()
    .split('\n')
    .flatMap((line) => (line.includes(`"msg":"${message}"`) ? [Number(/"time":(\d+)/.exec(line)?.[1])] : []));
  const last = moments.at(-1);
  if (last === undefined) throw new Error(`the log does not say: ${message}`);
  return last;
}
