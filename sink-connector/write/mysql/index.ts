import type { Dialect } from '../port.ts';
import type { MysqlConfig } from './connection.ts';
import { MysqlDialect } from './dialect.ts';

export function createDialect(config: MysqlConfig, sink: string): Dialect {
  return new MysqlDialect(config, sink);
}
