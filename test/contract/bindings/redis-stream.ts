import { Redis } from 'ioredis';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import { uniqueName } from '../../support/names.ts';
import type { Scope } from '../../support/scope.ts';
import { startPrivate } from '../../support/servers.ts';
import type { ContractBinding, ContractDatabase, TestColumn, TestLogin } from '../binding.ts';

/** What is acknowledged survives a kill. */
const durable = { args: ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'] };

export const binding: ContractBinding = {
  kind: 'redis-stream',
  traits: {
    nulInText: true,
    emptyIsNull: false,
    timestampUnit: 1n,
    days: { first: -719_528, last: 2_932_896 },
  },
  open: async (scope, server) => new StreamDatabase(scope, (server ?? (await startPrivate(scope, 'redis'))).port),
  startServer: (scope) => startPrivate(scope, 'redis', durable),
};

/** A field of an entry, by its name. */
type Entry = ReadonlyMap<string, Buffer>;

/** The streams of a Redis server. Their rows are the last entry of each key, as a reader of the stream would make them. */
export class StreamDatabase implements ContractDatabase {
  readonly sinkOptions: Readonly<Record<string, unknown>>;
  readonly audit = undefined;
  readonly lockRow = undefined;
  readonly client: Redis;

  constructor(scope: Scope, port: number) {
    this.sinkOptions = { kind: 'redis-stream', host: '127.0.0.1', port };
    this.client = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.client.on('error', () => undefined);
    scope.after(async () => {
      this.client.disconnect();
      await Promise.resolve();
    });
  }

  /** All entries of a stream, in their order. */
  async entries(stream: string): Promise<Entry[]> {
    const reply = await this.client.xrangeBuffer(stream, '-', '+');
    return reply.map(([, parts]) => {
      const entry = new Map<string, Buffer>();
      for (let at = 0; at + 1 < parts.length; at += 2) entry.set(String(parts[at]), parts[at + 1] ?? Buffer.alloc(0));
      return entry;
    });
  }

  async rows(table: string, columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    if (table === 'afterwrite_offsets') return await this.#offsets(columns);
    const last = new Map<string, Entry>();
    for (const entry of await this.entries(table)) {
      const key = keyColumns.map((name) => entry.get(name)?.toString('latin1')).join('\u001f');
      if (entry.get('#op')?.toString() === 'delete') last.delete(key);
      else last.set(key, entry);
    }
    return [...last.values()].map((entry) => columns.map(({ name, type }) => valueOf(type, entry.get(name))));
  }

  /** As redis-cli takes it. */
  async run(statement: string): Promise<void> {
    const [command = '', ...args] = statement.split(' ');
    await this.client.call(command, ...args);
  }

  createTable(name: string): Promise<void> {
    return this.run(`XGROUP CREATE ${name} readers 0 MKSTREAM`);
  }

  createChecked(): Promise<string> {
    throw new Error('A stream takes everything');
  }

  readonly createLogin = async (password: string, variable: string): Promise<TestLogin> => {
    const user = uniqueName('login');
    const set = async (next: string): Promise<void> => {
      await this.client.call('ACL', 'SETUSER', user, 'on', 'resetpass', `>${next}`, '~*', '+@all');
    };
    // It goes with its server.
    await set(password);
    return {
      user,
      sinkOptions: { ...this.sinkOptions, username: user, password: `\${env:${variable}}` },
      changePassword: set,
      endConnections: async () => {
        await this.client.call('CLIENT', 'KILL', 'USER', user);
      },
    };
  };

  async #offsets(columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    const rows: ColumnValue[][] = [];
    for (const key of await this.client.keys('afterwrite_offsets:{*')) {
      const [, sink = '', topic = ''] = /^afterwrite_offsets:\{.*\}:([^:]+):([^:]+)$/.exec(key) ?? [];
      const fields = await this.client.hgetall(key);
      for (const name of Object.keys(fields)) {
        const partition = /^(\d+):owner$/.exec(name)?.[1];
        if (partition === undefined) continue;
        const known: Readonly<Record<string, ColumnValue>> = { sink, topic, partition: Number(partition) };
        rows.push(columns.map((column) => known[column.name] ?? fields[`${partition}:${column.name}`] ?? null));
      }
    }
    return rows;
  }
}

/** Those of the tables of the suite. */
const keyColumns = ['person_id', 'region', 'id', 'part', 'car_id'];

function valueOf(type: ColumnType, value: Buffer | undefined): ColumnValue {
  if (value === undefined) return null;
  if (type === 'bytes') return value;
  const text = value.toString();
  switch (type) {
    case 'boolean':
      return text === 'true';
    case 'float':
    case 'double':
      return Number(text);
    case 'date':
      return Date.parse(`${isoYear(text)}T00:00:00Z`) / 86_400_000;
    case 'timestamp':
    case 'timestamp-millis': {
      const [, second = '', micros = ''] = /^(.*)\.(\d{6})Z$/.exec(isoYear(text)) ?? [];
      return BigInt(Date.parse(`${second}Z`)) * 1000n + BigInt(micros);
    }
    default:
      return text;
  }
}

/** JavaScript reads years before 1 with six digits only. */
function isoYear(text: string): string {
  return text.startsWith('0000-') ? `+00${text}` : text;
}
