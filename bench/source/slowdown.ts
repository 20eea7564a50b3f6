import { findProgram, run } from '../../services/programs.ts';
import { startService } from '../../services/index.ts';
import { until } from '../../test/support/until.ts';
import { Cleanup } from '../cleanup.ts';
import { figureOfRounds, type Figure } from '../figure.ts';
import { startServers, type Servers } from '../servers.ts';
import { makeSetup, startSource, untilReady } from '../setup.ts';
import { prefix } from './make-bytes.ts';
import type { Plan } from './plan.ts';

/** What redis-benchmark reaches, HSETs a second: nobody attached, a replica of Redis' own, a source. */
interface Rates {
  readonly alone: number;
  readonly replica: number;
  readonly source: number;
}

/** By how much a source slows Redis down, beside a plain replica. */
export async function measureSlowdown(plan: Plan, say: (line: string) => void): Promise<Figure[]> {
  const cleanup = new Cleanup();
  try {
    say('starting servers');
    const servers = await startServers(cleanup);
    // Its rate is that of a full table; the first time makes one.
    await benchmark(servers, plan);
    const rounds: Rates[] = [];
    for (let round = 1; round <= plan.rounds; round++) {
      say(`slowdown: round ${round} of ${plan.rounds}`);
      const rates = {
        alone: await benchmark(servers, plan),
        replica: await withReplica(servers, plan),
        source: await withSource(servers, plan, round),
      };
      const rounded = Object.entries(rates).map(([name, rate]) => `${name} ${rate.toFixed(0)}`);
      say(`HSET/s: ${rounded.join(', ')}`);
      rounds.push(rates);
    }
    const line = (value: keyof Rates, limit: keyof Rates, limitName: string, name: string): Figure =>
      figureOfRounds(
        `Redis under redis-benchmark, ${name}`,
        'HSET/s',
        limitName,
        rounds.map((rates) => ({ value: rates[value], limit: rates[limit] })),
      );
    return [
      line('source', 'replica', 'with a replica', 'with a source'),
      line('source', 'alone', 'without either', 'with a source'),
      line('replica', 'alone', 'without either', 'with a replica'),
    ];
  } finally {
    await cleanup.close();
  }
}

async function withReplica(servers: Servers, plan: Plan): Promise<number> {
  const cleanup = new Cleanup();
  try {
    const { port } = new URL(servers.redis.url);
    const memoryOnly = ['--save', '', '--appendonly', 'no'];
    const replica = await startService('redis', { args: [...memoryOnly, '--replicaof', '127.0.0.1', port] });
    cleanup.after(() => replica.dispose());
    await until(
      'a replica that follows',
      async () => /state=online/.test(await servers.redis.client.info('replication')),
      {
        timeoutMs: 60_000,
      },
    );
    return await benchmark(servers, plan);
  } finally {
    await cleanup.close();
  }
}

async function withSource(servers: Servers, plan: Plan, round: number): Promise<number> {
  const cleanup = new Cleanup();
  try {
    const setup = await makeSetup(servers, {
      pipeline: `slowdown_${round}`,
      redis: servers.redis.url,
      mappings: [prefix],
      sourceBatch: 10_000,
      sinks: {},
    });
    const source = startSource(cleanup, setup);
    await untilReady(source, setup.ports.source);
    const rate = await benchmark(servers, plan);
    source.mustRun();
    return rate;
  } finally {
    await cleanup.close();
  }
}

/** @returns HSETs a second */
async function benchmark({ redis }: Servers, { requests, keys }: Plan): Promise<number> {
  const program = findProgram('redis-benchmark');
  if (program === undefined) throw new Error('redis-benchmark is not installed; it comes with redis-tools');
  const { port } = new URL(redis.url);
  const how = ['-p', port, '-n', String(requests), '-r', String(keys), '-P', '16', '-q'];
  const command = ['HSET', `${prefix}:__rand_int__`, 'first_name', '__rand_int__', 'last_name', 'Byron', 'age', '36'];
  const { code, stdout, stderr } = await run(program, [...how, ...command]);
  const rate = Number(/([\d.]+) requests per second/.exec(stdout.split('\r').at(-1) ?? '')?.[1]);
  if (code !== 0 || !(rate > 0)) throw new Error(`redis-benchmark ended with ${code}: ${stderr} ${stdout}`);
  return rate;
}
