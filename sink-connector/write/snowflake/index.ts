import type { Dialect } from '../port.ts';
import type { SnowflakeConfig } from './connection.ts';
import { SnowflakeDialect } from './dialect.ts';

export function createDialect(config: SnowflakeConfig, sink: string): Dialect {
  return new SnowflakeDialect(config, sink);
}
