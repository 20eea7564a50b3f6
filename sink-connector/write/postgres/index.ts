import type { Dialect } from '../port.ts';
import type { PostgresConfig } from './connection.ts';
import { PostgresDialect } from './dialect.ts';

export function createDialect(config: PostgresConfig, sink: string): Dialect {
  return new PostgresDialect(config, sink);
}
