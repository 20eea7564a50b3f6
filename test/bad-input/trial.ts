import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../services/index.ts';
import { deleteTopics, kafkaAt } from '../support/kafka.ts';
import { uniqueName } from '../support/names.ts';
import { Connector } from '../support/processes.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import type { Scope } from '../support/scope.ts';
import { shared } from '../support/servers.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { until, untilEqual } from '../support/until.ts';

/** A part of a configuration file, to be laid over the usual one. */
export interface Settings {
  readonly [name: string]: unknown;
}

export interface TrialOptions {
  /** Addresses of servers of one's own; those that all tests share unless told. */
  readonly kafka?: string;
  readonly postgres?: string;
  readonly settings?: Settings;
}

/** Loads on this machine are high: how long anything may take that has to happen, ms. */
export const PATIENCE = { timeoutMs: 90_000 };

/**
 * A pipeline as a user runs it, in which something is to be wrong: a Redis and a table of its own, a configuration file
 * that is written anew to spoil or to mend it, and a source and a sink as processes. Hashes `person:{person_id}` with
 * first_name and age become rows of the table persons (person_id, first, age).
 */
export class Trial {
  readonly pipeline = uniqueName('trial');
  readonly redis: TestRedis;
  readonly database: TestDatabase;
  readonly folder: string;
  readonly ports: { readonly source: number; readonly sink: number };
  readonly source: Connector;
  readonly sink: Connector;
  readonly #scope: Scope;
  readonly #kafka: string;

  private constructor(
    scope: Scope,
    kafka: string,
    place: { redis: TestRedis; database: TestDatabase; folder: string; ports: { source: number; sink: number } },
  ) {
    this.#scope = scope;
    this.#kafka = kafka;
    this.redis = place.redis;
    this.database = place.database;
    this.folder = place.folder;
    this.ports = place.ports;
    this.source = this.connector('source', ['source'], place.ports.source);
    this.sink = this.connector('sink', ['sink', 'warehouse'], place.ports.sink);
  }

  /** Makes everything, writes the configuration, and starts nothing. */
  static async open(scope: Scope, { kafka, postgres, settings = {} }: TrialOptions = {}): Promise<Trial> {
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-trial-'));
    const redis = await startRedis(scope);
    const database = await createDatabase(scope, postgres);
    const ports = { source: await freePort(), sink: await freePort() };
    const trial = new Trial(scope, kafka ?? shared('kafka'), { redis, database, folder, ports });
    await trial.configure(settings);
    // After the connectors' own ends, which the scope was told of before.
    scope.after(async () => {
      if (process.env['AFTERWRITE_KEEP_LOGS'] === undefined) await rm(folder, { recursive: true, force: true });
      if (kafka === undefined) await deleteTopics(kafkaAt(), topicsOf(trial.pipeline));
    });
    return trial;
  }

  get file(): string {
    return join(this.folder, 'afterwrite.yaml');
  }

  /** A further process on this configuration, or on that of another file: `args` without `-c`. */
  connector(name: string, args: readonly string[], httpPort: number, file = this.file): Connector {
    const { folder } = this;
    const [command = '', ...rest] = args;
    return new Connector(this.#scope, { name, args: [command, ...rest, '-c', file], folder, httpPort });
  }

  /** Writes the usual configuration with these settings laid over it: what an earlier call has set is gone. */
  async configure(settings: Settings, file = this.file): Promise<void> {
    // JSON is YAML.
    await writeFile(file, JSON.stringify(laidOver(this.#usual(), settings), undefined, 2));
  }

  /** Writes a secret into a file. @returns the reference to it */
  async secret(name: string, text: string): Promise<string> {
    const file = join(this.folder, name);
    await writeFile(file, `${text}\n`);
    return `\${file:${file}}`;
  }

  /** Writes hashes person:1 to person:`count`. @returns their rows */
  async writePersons(count: number, from = 1): Promise<Person[]> {
    const persons = Array.from({ length: count }, (_, index): Person => [String(from + index), `name ${index}`, index]);
    const writes = this.redis.client.pipeline();
    for (const [id, first, age] of persons) writes.hset(`person:${id}`, { first_name: first ?? '', age: age ?? 0 });
    await writes.exec();
    return persons;
  }

  /** The rows of the table persons, by their key. */
  async persons(): Promise<Person[]> {
    const rows = await this.database.rows('SELECT person_id, first, age FROM $schema.persons ORDER BY person_id');
    return rows.map(({ person_id, first, age }) => [
      String(person_id),
      textOf(first),
      age === null ? null : Number(age),
    ]);
  }

  /** Waits until the table holds exactly these rows. */
  async untilPersons(expected: readonly Person[]): Promise<void> {
    const sorted = expected.toSorted(([a], [b]) => (a < b ? -1 : 1));
    try {
      await untilEqual('the rows', sorted, () => this.persons(), PATIENCE);
    } catch (cause) {
      throw new Error(`the rows do not come; ${this.source.tail()}\n${this.sink.tail()}`, { cause });
    }
  }

  /** Starts a process that has to end by itself with exit code 1. @returns its last words: what it printed that is no log line */
  async refusal(connector: Connector): Promise<string> {
    connector.start();
    const exit = await connector.ended(PATIENCE.timeoutMs);
    assert.deepEqual(exit, { code: 1, signal: null }, connector.tail());
    return lastWords(connector);
  }

  /** Waits until the source, the sink or who listens on a port answers 503 with a reason like this. @returns the reason */
  async untilTrouble(part: 'source' | 'sink' | number, path: '/healthz' | '/readyz', pattern: RegExp): Promise<string> {
    const what = `${path} of the ${part} says ${String(pattern)}`;
    const port = typeof part === 'number' ? part : this.ports[part];
    return await until(
      what,
      async () => {
        const response = await fetch(`http://127.0.0.1:${port}${path}`);
        const body = await response.text();
        const found = reasonsIn(body).find((reason) => pattern.test(reason));
        if (found === undefined) throw new Error(`it answers ${response.status} ${body}`);
        assert.equal(response.status, 503);
        return found;
      },
      PATIENCE,
    );
  }

  async metricsOf(part: 'source' | 'sink'): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.ports[part]}/metrics`)).text();
  }

  #usual(): Settings {
    return {
      pipeline: this.pipeline,
      kafka: { brokers: [this.#kafka], topics: { partitions: 2 } },
      registry: { url: shared('registry') },
      source: { url: this.redis.url, state: join(this.folder, 'state'), http: { port: this.ports.source } },
      mappings: {
        person: {
          key: 'person:{person_id}',
          table: 'persons',
          fields: { first_name: 'first', age: { column: 'age', type: 'int' } },
        },
      },
      sinks: {
        warehouse: {
          kind: 'postgres',
          url: this.database.url,
          schema: this.database.schema,
          create: true,
          batch: { linger: '5ms' },
          http: { port: this.ports.sink },
        },
      },
    };
  }
}

/** A row of persons: its key, first and age. */
export type Person = readonly [id: string, first: string | null, age: number | null];

/** What the last life of a process printed that is no line of its log. */
export function lastWords(connector: Connector): string {
  const [life = ''] = connector
    .printed()
    .split(/^--- life .*\n/m)
    .slice(-1);
  return life
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n');
}

/** No life of these processes may have printed one of these. */
export function assertNeverPrinted(connectors: readonly Connector[], secrets: readonly string[]): void {
  for (const connector of connectors) {
    const printed = connector.printed();
    for (const secret of secrets) assert.ok(!printed.includes(secret), `${connector.name} prints a secret`);
  }
}

/** All topics that a pipeline of these tests may have. */
export function topicsOf(pipeline: string): string[] {
  return ['positions', 'marks', 'dead-letters', 'person', 'cars'].map((name) => `${pipeline}.${name}`);
}

function laidOver(base: unknown, settings: unknown): unknown {
  if (!isObject(base) || !isObject(settings)) return settings;
  const names = new Set([...Object.keys(base), ...Object.keys(settings)]);
  return Object.fromEntries(
    [...names].map((name) => [name, name in settings ? laidOver(base[name], settings[name]) : base[name]]),
  );
}

function isObject(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function reasonsIn(body: string): string[] {
  const answer: unknown = JSON.parse(body);
  return isObject(answer) && Array.isArray(answer['reasons']) ? answer['reasons'].map(String) : [];
}
