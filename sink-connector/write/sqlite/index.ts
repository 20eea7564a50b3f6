import type { Dialect } from '../port.ts';
import { SqliteDialect } from './dialect.ts';
import type { SqliteConfig } from './options.ts';

export function createDialect(config: SqliteConfig, sink: string): Dialect {
  return new SqliteDialect(config, sink);
}
