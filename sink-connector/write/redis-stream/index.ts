import type { Dialect } from '../port.ts';
import { RedisStreamDialect } from './dialect.ts';
import type { RedisStreamConfig } from './options.ts';

export function createDialect(config: RedisStreamConfig, sink: string): Dialect {
  return new RedisStreamDialect(config, sink);
}
