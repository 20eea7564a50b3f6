import { cpus, loadavg } from 'node:os';
import { reasonOf } from '../ops/errors/index.ts';
import type { Benchmark } from './benchmark.ts';
import { databaseKinds } from './databases/index.ts';
import { tableOf } from './figure.ts';

interface Entry {
  /** What may be measured alone. */
  readonly parts: readonly string[];
  readonly load: () => Promise<Benchmark>;
}

/** A new benchmark is its folder and its line here. */
const benchmarks: ReadonlyMap<string, Entry> = new Map([
  ['pipeline', { parts: [], load: async () => (await import('./pipeline/index.ts')).pipeline }],
  [
    'source',
    {
      parts: ['decoders', 'bigHash', 'keys', 'slowdown', 'takeover'],
      load: async () => (await import('./source/index.ts')).source,
    },
  ],
  ['write-through', { parts: [], load: async () => (await import('./write-through/index.ts')).writeThrough }],
  ['sinks', { parts: databaseKinds, load: async () => (await import('./sinks/index.ts')).sinks }],
]);

const usage = `usage: npm run bench -- NAME [KIND…] [--json] [--quick]
  NAME     ${[...benchmarks.keys()].join(', ')}
  KIND     of sinks: only these kinds of databases (${databaseKinds.join(', ')});
           of source: only its decoders, changes of a hash of very many fields, the memory of very many keys, the
           slowdown of Redis, or the takeover by another worker (decoders, bigHash, keys, slowdown, takeover)
  --json   an array of { name, value, unit, limitName, limit, ratio } instead of a table
  --quick  small counts, to see that it works
`;

/** `npm run bench`. @returns the exit code */
export async function bench(args: readonly string[]): Promise<number> {
  const options = new Set(args.filter((arg) => arg.startsWith('--')));
  const names = args.filter((arg) => !arg.startsWith('--'));
  const [name = '', ...only] = names;
  const benchmark = benchmarks.get(name);
  const isKnown = (option: string): boolean => option === '--json' || option === '--quick';
  if (!benchmark || !only.every((part) => benchmark.parts.includes(part)) || ![...options].every(isKnown)) {
    process.stderr.write(usage);
    return 1;
  }
  const say = (line: string): void => {
    process.stderr.write(`bench: ${line}\n`);
  };
  try {
    say(`${cpus().length} cores, load ${loadavg()[0]?.toFixed(1) ?? '?'}`);
    const figures = await (await benchmark.load())({ quick: options.has('--quick'), only, say });
    process.stdout.write(options.has('--json') ? `${JSON.stringify(figures, null, 2)}\n` : tableOf(figures));
    return 0;
  } catch (error) {
    say(error instanceof Error ? (error.stack ?? error.message) : reasonOf(error));
    return 1;
  }
}
