import { asText, parseInfo } from '../../../clients/redis/index.ts';
import type { Capabilities, Dialect, FailureKind, Session, SetupOptions, TargetTable } from '../port.ts';
import { classifyStreamError } from './errors.ts';
import { indexKey, sharesSlot } from './names.ts';
import type { RedisStreamConfig } from './options.ts';
import { StreamServers } from './servers.ts';
import { RedisStreamSession } from './session.ts';

/** Lua holds about 8000 values at once; a column is two of an entry. */
const mostColumns = 3000;

/** Streams of Redis 5 and later, or of Valkey. */
export class RedisStreamDialect implements Dialect {
  readonly kind = 'redis-stream';
  readonly capabilities: Capabilities = { commit: 'transaction', appends: true };
  readonly #config: RedisStreamConfig;
  readonly #sink: string;

  constructor(config: RedisStreamConfig, sink: string) {
    this.#config = config;
    this.#sink = sink;
  }

  async connect(): Promise<Session> {
    const servers = await StreamServers.open(this.#config);
    return new RedisStreamSession(servers, this.#sink, (table) => this.#streamOf(table), this.#config.maxLength);
  }

  async prepare(tables: readonly TargetTable[], { create }: SetupOptions): Promise<readonly string[]> {
    const servers = await StreamServers.open(this.#config);
    try {
      const problems: string[] = [];
      for (const table of tables) problems.push(...(await this.#problemsOf(servers, table, create)));
      if (problems.length > 0) return problems;
      const index = indexKey(this.#sink);
      for (const table of tables) await servers.call(index, 'HSET', index, table.topic, this.#streamOf(table));
      return [];
    } finally {
      servers.close();
    }
  }

  classify(error: unknown): FailureKind {
    return classifyStreamError(error);
  }

  #streamOf({ name }: TargetTable): string {
    return `${this.#config.prefix}${name}`;
  }

  async #problemsOf(servers: StreamServers, table: TargetTable, create: boolean): Promise<string[]> {
    const stream = this.#streamOf(table);
    const name = `The stream ${stream} (mapping ${table.mapping})`;
    const problems: string[] = [];
    if (!sharesSlot(stream)) {
      problems.push(`${name} has a "}" that ends no hash tag: give it another name by tables.${table.mapping}.name`);
    }
    if (table.versionColumn !== undefined) {
      problems.push(`${name} keeps every event and has no guard: leave versionColumn out; an entry has #version`);
    }
    const columns = table.keyColumns.length + table.valueColumns.length;
    if (columns > mostColumns) problems.push(`${name} would have ${columns} fields, of which ${mostColumns} fit`);
    const type = asText(await servers.call(stream, 'TYPE', stream));
    if (type !== 'stream' && type !== 'none') {
      problems.push(`${name} is a ${type ?? 'key of another type'}: give it another name, by prefix or tables`);
    }
    if (type === 'none' && !create) {
      problems.push(`${name} is missing: set create: true, or run XGROUP CREATE ${stream} <group> 0 MKSTREAM`);
    }
    const policy = parseInfo(await servers.call(stream, 'INFO', 'memory')).get('maxmemory_policy');
    if (policy?.startsWith('allkeys-') === true) {
      problems.push(
        `The server of ${stream} may evict it with its offsets (maxmemory-policy ${policy}): set noeviction or a volatile policy`,
      );
    }
    return problems;
  }
}
