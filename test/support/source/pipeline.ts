import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readToEnd, type PartitionReader } from '../../../clients/kafka/index.ts';
import {
  checkConfig,
  deadLettersTopic,
  marksTopic,
  positionsTopic,
  type Config,
  type MappingConfig,
} from '../../../config/index.ts';
import { decodePosition, publishedUpTo, type Position } from '../../../source-connector/position.ts';
import { freePort } from '../../../services/ports.ts';
import { deleteTopics, kafkaAt, openReader } from '../kafka.ts';
import { uniqueName } from '../names.ts';
import { Connector } from '../processes.ts';
import { startRedis, type TestRedis } from '../redis.ts';
import type { Scope } from '../scope.ts';
import { shared } from '../servers.ts';
import { auditTopic } from '../topic-audit.ts';
import { readTopic, type AvroRow, type Envelope, type TopicRecord } from '../topic-history.ts';
import { until } from '../until.ts';
import { PATIENCE, TestSource, type Orders } from './source.ts';

/** Parts of a configuration, as its file has them, laid over what a test starts with. */
export interface ConfigParts {
  readonly mappings?: Readonly<Record<string, object>>;
  readonly source?: Readonly<Record<string, unknown>>;
  readonly kafka?: Readonly<Record<string, unknown>>;
  readonly sinks?: Readonly<Record<string, unknown>>;
  readonly pipeline?: string;
}

/** `name` and `age` of `person:{id}`. */
export const person = { key: 'person:{id}', fields: { name: 'name', age: { type: 'int' } } };
/** `color` of `car:{id}`. */
export const car = { key: 'car:{id}', fields: { color: 'color' } };

/** A Redis of its own, and a pipeline that captures it: as many lives of its source as a test likes, one state folder. */
export class TestPipeline {
  readonly redis: TestRedis;
  readonly folder: string;
  readonly #scope: Scope;
  readonly #reader: PartitionReader;
  readonly #parts: ConfigParts;
  readonly #topics = new Set<string>();
  /** What ends the sources. */
  readonly #ends: (() => Promise<void>)[] = [];

  private constructor(scope: Scope, redis: TestRedis, folder: string, reader: PartitionReader, parts: ConfigParts) {
    this.#scope = scope;
    this.redis = redis;
    this.folder = folder;
    this.#reader = reader;
    this.#parts = parts;
  }

  static async open(
    scope: Scope,
    parts: ConfigParts = {},
    { redis: given, redisArgs = [] }: { readonly redis?: TestRedis; readonly redisArgs?: readonly string[] } = {},
  ): Promise<TestPipeline> {
    const opened: TestPipeline[] = [];
    // Told first, since it has to be done before the servers end.
    scope.after(async () => {
      for (const pipeline of opened) await pipeline.#end();
    });
    const redis = given ?? (await startRedis(scope, redisArgs));
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-source-'));
    const named = { pipeline: uniqueName('source'), ...parts };
    const pipeline = new TestPipeline(scope, redis, folder, await openReader(scope), named);
    opened.push(pipeline);
    return pipeline;
  }

  /** The configuration, with these parts laid over it. */
  config(changes: ConfigParts = {}): Config {
    const parts = { ...this.#parts, ...changes };
    // JSON is YAML.
    const { config, problems } = checkConfig(
      JSON.stringify({
        pipeline: parts.pipeline,
        kafka: { brokers: [shared('kafka')], topics: { partitions: 2 }, ...this.#parts.kafka, ...changes.kafka },
        registry: { url: shared('registry') },
        source: {
          url: this.redis.url,
          state: join(this.folder, 'state'),
          // Small datasets: a single row may be half of them.
          breaker: { rows: 1000, percent: 100 },
          http: { port: 0 },
          ...this.#parts.source,
          ...changes.source,
        },
        mappings: parts.mappings ?? { person },
        ...(parts.sinks !== undefined && { sinks: parts.sinks }),
      }),
    );
    assert.ok(config !== undefined, JSON.stringify(problems));
    return config;
  }

  /** Begins a source in this process; it is stopped after the test. */
  start(changes: ConfigParts = {}, orders: Orders = {}): TestSource {
    const config = this.config(changes);
    this.#take(config);
    const source = new TestSource(config, orders, () => this.caughtUp(Object.keys(config.mappings)));
    this.#ends.push(() => source.worker.stop());
    return source;
  }

  /**
   * A source as a process of its own, that a test kills.
   * @param worker its number among those that share the shards: each has a state of its own
   */
  async process(changes: ConfigParts = {}, worker = 1): Promise<Connector> {
    const httpPort = await freePort();
    const [name, state] = worker === 1 ? ['source', 'state'] : [`source-${worker}`, `state-${worker}`];
    const own = { state: join(this.folder, state), http: { port: httpPort } };
    const config = this.config({ ...changes, source: { ...changes.source, ...own } });
    this.#take(config);
    const file = join(this.folder, worker === 1 ? 'afterwrite.yaml' : `afterwrite-${worker}.yaml`);
    // A configuration with all defaults filled in is one, too.
    await writeFile(file, JSON.stringify(config));
    const args = ['source', '-c', file];
    const connector = new Connector(this.#scope, { name, args, folder: this.folder, httpPort });
    this.#ends.push(() => connector.kill());
    return connector;
  }

  /** Notes the topics of a configuration, which are removed after the test. */
  #take({ pipeline, mappings }: Config): void {
    for (const name of [positionsTopic, marksTopic, deadLettersTopic]) this.#topics.add(name(pipeline));
    for (const { topic } of Object.values(mappings)) this.#topics.add(topic);
  }

  async #end(): Promise<void> {
    for (const end of this.#ends) await end();
    await deleteTopics(kafkaAt(), [...this.#topics]);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The last committed position; undefined before the first. */
  async position(): Promise<Position | undefined> {
    const topic = positionsTopic(this.config().pipeline);
    const found: Buffer[] = [];
    await readToEnd(this.#reader, { topic, partition: 0 }, ({ key, value }) => {
      if (key?.toString() === '0' && value !== null) found.push(value);
    });
    return found.slice(-1).map((value) => decodePosition(value, topic, 0))[0];
  }

  /**
   * Waits until everything that Redis has done so far is committed in Kafka, keys that are read beside the stream too, and
   * no mapping is being filled.
   * @param mappings of the source that is waited for: a position from before it may have come as far
   */
  async caughtUp(mappings?: readonly string[]): Promise<Position> {
    const { offset } = await this.#replication();
    return await until(
      `a position at ${offset}`,
      async () => {
        // A server takes another replid when its first replica comes.
        const { replid } = await this.#replication();
        const position = await this.position();
        const isWhole = position?.snapshot === false && Object.keys(position.fills).length === 0;
        const names = Object.keys(position?.mappings ?? {});
        const isItsOwn = mappings === undefined || isDeepStrictEqual(names.sort(), [...mappings].sort());
        if (isWhole && isItsOwn && position.replid === replid && publishedUpTo(position) >= offset) return position;
        throw new Error(`${replid} ${JSON.stringify(position)}`);
      },
      PATIENCE,
    );
  }

  async #replication(): Promise<{ replid: string; offset: number }> {
    const info = await this.redis.client.info('replication');
    const [, replid = ''] = /^master_replid:(\w+)/m.exec(info) ?? [];
    const [, offset] = /^master_repl_offset:(\d+)/m.exec(info) ?? [];
    return { replid, offset: Number(offset) };
  }

  /** All records of a mapping's topic, audited: nothing twice, nothing out of order, only real differences. */
  async history(mapping = 'person'): Promise<readonly TopicRecord[]> {
    const { topic } = this.#mapping(mapping);
    const records = await readTopic(shared('kafka'), shared('registry'), topic);
    auditTopic(topic, records);
    return records;
  }

  /** The events of a mapping's topic in the order of their versions. */
  async events(mapping = 'person'): Promise<readonly (Envelope & { readonly keyRow: TopicRecord['keyRow'] })[]> {
    const records = await this.history(mapping);
    return records
      .flatMap(({ event, keyRow }) => (event === null ? [] : [{ ...event, keyRow }]))
      .sort((a, b) => a.version - b.version);
  }

  /**
   * The events as short texts, such as `u 1 Ann,30 HSET`: op, key, row and command; `from` leaves out those before.
   */
  async told(mapping = 'person', from = 0): Promise<string[]> {
    const events = await this.events(mapping);
    return events.slice(from).map(({ op, keyRow, after, source }) => {
      const row = after === null ? [] : [rowText(keyRow, after)];
      return [op, keyText(keyRow), ...row, source?.['command']].join(' ');
    });
  }

  /** The rows that the topic holds in the end, by key. */
  async rows(mapping = 'person'): Promise<Record<string, string>> {
    const rows = new Map<string, string>();
    for (const { keyRow, after } of await this.events(mapping)) {
      if (after === null) rows.delete(keyText(keyRow));
      else rows.set(keyText(keyRow), rowText(keyRow, after));
    }
    return Object.fromEntries(rows);
  }

  /** The dead letters, in order. */
  async deadLetters(): Promise<Readonly<Record<string, unknown>>[]> {
    const letters: Readonly<Record<string, unknown>>[] = [];
    await readToEnd(this.#reader, { topic: deadLettersTopic(this.config().pipeline), partition: 0 }, ({ value }) => {
      const letter: unknown = JSON.parse(String(value));
      letters.push({ ...(typeof letter === 'object' ? letter : {}) });
    });
    return letters;
  }

  /** What the marks topic says in the end, by its keys. */
  async marks(): Promise<Record<string, string>> {
    const marks = new Map<string, string>();
    await readToEnd(this.#reader, { topic: marksTopic(this.config().pipeline), partition: 0 }, ({ key, value }) => {
      if (value === null) marks.delete(String(key));
      else marks.set(String(key), value.toString());
    });
    return Object.fromEntries(marks);
  }

  #mapping(name: string): MappingConfig {
    const mapping = this.config().mappings[name];
    assert.ok(mapping !== undefined, `the mapping ${name} is configured`);
    return mapping;
  }
}

function keyText(keyRow: AvroRow): string {
  return Object.values(keyRow).join(',');
}

/** The columns beside the key. */
function rowText(keyRow: AvroRow, row: AvroRow): string {
  return Object.entries(row)
    .flatMap(([name, value]) => (name in keyRow ? [] : [String(value)]))
    .join(',');
}
