import type { Dialect } from '../port.ts';
import type { OracleConfig } from './connection.ts';
import { OracleDialect } from './dialect.ts';

export function createDialect(config: OracleConfig, sink: string): Dialect {
  return new OracleDialect(config, sink);
}
