import type { z } from 'zod';
import { cassandra } from './cassandra/options.ts';
import { mysql } from './mysql/options.ts';
import { oracle } from './oracle/options.ts';
import type { Dialect, DialectModule, DialectOptions } from './port.ts';
import { postgres } from './postgres/options.ts';
import { snowflake } from './snowflake/options.ts';
import { sqlite } from './sqlite/options.ts';

/** One line a kind of sink: its options, and its folder, which is loaded with its driver only when such a sink runs. */
const entries = {
  cassandra: { options: cassandra, load: () => import('./cassandra/index.ts') },
  postgres: { options: postgres, load: () => import('./postgres/index.ts') },
  mysql: { options: mysql, load: () => import('./mysql/index.ts') },
  oracle: { options: oracle, load: () => import('./oracle/index.ts') },
  snowflake: { options: snowflake, load: () => import('./snowflake/index.ts') },
  sqlite: { options: sqlite, load: () => import('./sqlite/index.ts') },
};

type Entries = typeof entries;

/** The options of each kind that its dialect looks at. */
type ConfigOf = {
  readonly [K in keyof Entries]: DialectOptions<z.output<Entries[K]['options']>>;
};

interface SinkKind<K extends keyof Entries> {
  readonly options: Entries[K]['options'];
  readonly load: () => Promise<DialectModule<ConfigOf[K]>>;
}

const kinds: { readonly [K in keyof Entries]: SinkKind<K> } = entries;

/** The names of all kinds, as a configuration has them. */
export const sinkKinds: readonly string[] = Object.keys(kinds);

/** The schemas of the options of all kinds, told apart by `kind`. */
export const sinkKindOptions = Object.values(kinds).map(({ options }) => options);

/** Makes the dialect of a sink. */
export async function createDialect<K extends keyof ConfigOf>(
  sink: string,
  config: ConfigOf[K] & { readonly kind: K },
): Promise<Dialect> {
  const module = await kinds[config.kind].load();
  return module.createDialect(config, sink);
}
