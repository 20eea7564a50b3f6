import type { z } from 'zod';
import { cassandra } from './cassandra/options.ts';
import { mysql } from './mysql/options.ts';
import { oracle } from './oracle/options.ts';
import type { Dialect, DialectModule, DialectOptions } from './port.ts';
import { postgres } from './postgres/options.ts';
import { redisStream } from './redis-stream/options.ts';
import { snowflake } from './snowflake/options.ts';
import { sqlite } from './sqlite/options.ts';

/**
 * One line a kind of sink: its options, the package of its driver, and its folder, which is loaded with the driver only
 * when such a sink runs.
 */
const entries = {
  cassandra: { options: cassandra, driver: 'cassandra-driver', load: () => import('./cassandra/index.ts') },
  postgres: { options: postgres, driver: 'pg', load: () => import('./postgres/index.ts') },
  mysql: { options: mysql, driver: 'mysql2', load: () => import('./mysql/index.ts') },
  oracle: { options: oracle, driver: 'oracledb', load: () => import('./oracle/index.ts') },
  'redis-stream': { options: redisStream, driver: 'ioredis', load: () => import('./redis-stream/index.ts') },
  snowflake: { options: snowflake, driver: 'snowflake-sdk', load: () => import('./snowflake/index.ts') },
  sqlite: { options: sqlite, driver: 'libsql', load: () => import('./sqlite/index.ts') },
};

type Entries = typeof entries;

/** The options of each kind that its dialect looks at. */
type ConfigOf = {
  readonly [K in keyof Entries]: DialectOptions<z.output<Entries[K]['options']>>;
};

interface SinkKind<K extends keyof Entries> {
  readonly options: Entries[K]['options'];
  readonly driver: string;
  readonly load: () => Promise<DialectModule<ConfigOf[K]>>;
}

const kinds: { readonly [K in keyof Entries]: SinkKind<K> } = entries;

/** The names of all kinds, as a configuration has them. */
export const sinkKinds: readonly string[] = Object.keys(kinds);

/** Of each kind, the package that its sinks need. */
export const sinkDrivers = Object.entries(kinds).map(([kind, { driver }]) => ({ kind, driver }));

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
