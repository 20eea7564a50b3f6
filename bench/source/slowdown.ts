import { findProgram, run } from '../../services/programs.ts';
import { startService } from '../../services/index.ts';
import { until } from '../../test/support/until.ts';
import { Cleanup } from '../cleanup.ts';
import { figureOfRounds, type Figure } from '../figure.ts';
import { startServers, type Servers } from '../servers.ts';
import { makeSetup, startSource, untilReady } from '../setup.ts';
import { prefix } from './make-bytes.ts';
import type { Plan } from './plan.ts';

/** What redis-benchmark reaches, and what it costs the server. */
interface Run {
  /** HSETs a second. */
  readonly rate: number;
  /** CPU of the server itself for one HSET, µs; of its children, which save snapshots, nothing. */
  readonly cpu: number;
}

/** Nobody attached, a replica of Redis' own, a source. */
interface Round {
  readonly alone: Run;
  readonly replica: Run;
  readonly source: Run;
}

/** By how much a source slows Redis down, beside a plain replica. */
export async function measureSlowdown(plan: Plan, say: (line: string) => void): Promise<Figure[]> {
  const cleanup = new Cleanup();
  try {
    say('starting servers');
    const servers = await startServers(cleanup);
    // Its rate is that of a full table; the first time makes one.
    await benchmark(servers, plan);
    const rounds: Round[] = [];
    for (let round = 1; round <= plan.rounds; round++) {
      say(`slowdown: round ${round} of ${plan.rounds}`);
      const runs = {
        alone: await benchmark(servers, plan),
        replica: await withReplica(servers, plan),
        source: await withSource(servers, plan, round),
      };
      const told = Object.entries(runs).map(
        ([name, { rate, cpu }]) => `${name} ${rate.toFixed(0)} (${cpu.toFixed(2)} µs)`,
      );
      say(`HSET/s: ${told.join(', ')}`);
      rounds.push(runs);
    }
    const pairs = [
      ['with a source', 'source', 'with a replica', 'replica'],
      ['with a source', 'source', 'without either', 'alone'],
      ['with a replica', 'replica', 'without either', 'alone'],
    ] as const;
    const lines = (what: string, unit: string, of: keyof Run): Figure[] =>
      pairs.map(([name, value, limitName, limit]) =>
        figureOfRounds(
          `${what}, ${name}`,
          unit,
          limitName,
          rounds.map((runs) => ({ value: runs[value][of], limit: runs[limit][of] })),
        ),
      );
    return [
      ...lines('Redis under redis-benchmark', 'HSET/s', 'rate'),
      ...lines('CPU of Redis for one HSET', 'µs', 'cpu'),
    ];
  } finally {
    await cleanup.close();
  }
}

async function withReplica(servers: Servers, plan: Plan): Promise<Run> {
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

async function withSource(servers: Servers, plan: Plan, round: number): Promise<Run> {
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
    const run = await benchmark(servers, plan);
    source.mustRun();
    return run;
  } finally {
    await cleanup.close();
  }
}

async function benchmark({ redis }: Servers, { requests, keys }: Plan): Promise<Run> {
  const program = findProgram('redis-benchmark');
  if (program === undefined) throw new Error('redis-benchmark is not installed; it comes with redis-tools');
  const { port } = new URL(redis.url);
  const how = ['-p', port, '-n', String(requests), '-r', String(keys), '-P', '16', '-q'];
  const command = ['HSET', `${prefix}:__rand_int__`, 'first_name', '__rand_int__', 'last_name', 'Byron', 'age', '36'];
  const before = await cpuOf(redis.client);
  const { code, stdout, stderr } = await run(program, [...how, ...command]);
  const rate = Number(/([\d.]+) requests per second/.exec(stdout.split('\r').at(-1) ?? '')?.[1]);
  if (code !== 0 || !(rate > 0)) throw new Error(`redis-benchmark ended with ${code}: ${stderr} ${stdout}`);
  return { rate, cpu: ((await cpuOf(redis.client)) - before) / requests };
}

/** CPU that a server has taken so far, µs, in user and kernel mode. */
async function cpuOf(client: Servers['redis']['client']): Promise<number> {
  const info = await client.info('cpu');
  const seconds = ['used_cpu_user', 'used_cpu_sys'].map((name) =>
    Number(new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]),
  );
  const sum = seconds.reduce((one, other) => one + other, 0);
  if (!(sum > 0)) throw new Error(`INFO cpu tells no CPU time: ${info}`);
  return sum * 1e6;
}
