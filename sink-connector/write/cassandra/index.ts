import type { Dialect } from '../port.ts';
import type { CassandraConfig } from './connection.ts';
import { CassandraDialect } from './dialect.ts';

export function createDialect(config: CassandraConfig, sink: string): Dialect {
  return new CassandraDialect(config, sink);
}
