import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { checkConfig, deadLettersTopic, marksTopic, positionsTopic, type Config } from '../../config/index.ts';
import { freePort } from '../../services/ports.ts';
import { withAdmin } from '../../clients/kafka/index.ts';
import { deleteTopics, kafkaAt } from '../support/kafka.ts';
import { uniqueName } from '../support/names.ts';
import { Oracle, untilRowsEqualHashes } from '../support/oracle.ts';
import { Connector } from '../support/processes.ts';
import type { Random } from '../support/random.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import type { Scope } from '../support/scope.ts';
import { shared } from '../support/servers.ts';
import { auditTable, createAuditedTables, type AuditedTable } from '../support/table-audit.ts';
import { auditTopic } from '../support/topic-audit.ts';
import { readTopic } from '../support/topic-history.ts';
import { captured, type CommandMix } from '../support/workload-commands.ts';
import { until, untilEqual } from '../support/until.ts';
import { Workload } from '../support/workload.ts';
import { allDelete } from '../support/removals.ts';

/** Says how a test goes on; `t.diagnostic` of node:test. */
export type Tell = (message: string) => void;

export interface ShopOptions {
  /** Addresses of servers of one's own; those that all tests share unless told. */
  readonly kafka?: string;
  readonly registry?: string;
  readonly postgres?: string;
  /** `all`: every removal deletes its row, so that rows equal hashes exactly. `default`: what a user has who says nothing. */
  readonly deletes: 'all' | 'default';
  /** Records of one Kafka transaction, at most. */
  readonly batchRecords?: number;
  /** Workers that share the source; 1 unless told. Each has a state folder of its own. */
  readonly workers?: number;
  /** How the source follows the server; by its stream unless told. */
  readonly mode?: 'notifications';
  /** Environment of the workers, beside that of this process. */
  readonly sourceEnv?: Readonly<Record<string, string>>;
}

const SINK = 'warehouse';
/** Its part on /healthz and /readyz. */
export const SHARD = 'source shard 0';
/** The guard column of the table of `person`; the table of `cars` has none. */
const VERSION = 'afterwrite_version';

const calm: CommandMix = { keys: 120, badValues: false, fromUncaptured: false, flushes: true, swaps: true };

/** A whole pipeline with a Redis of its own: a source process, a sink process, two audited tables. */
export class Shop {
  readonly redis: TestRedis;
  /** The workers of the source; `source` is the first one. */
  readonly sources: readonly Connector[];
  readonly source: Connector;
  readonly sink: Connector;
  readonly config: Config;
  /** Whether rows may stay whose hashes have expired or were flushed. */
  readonly #keeps: boolean;
  readonly #scope: Scope;
  readonly #tell: Tell;
  readonly #schema: string;
  readonly #postgres: pg.Pool;
  readonly #tables: readonly AuditedTable[];

  private constructor(parts: {
    redis: TestRedis;
    sources: readonly [Connector, ...Connector[]];
    sink: Connector;
    config: Config;
    keeps: boolean;
    scope: Scope;
    tell: Tell;
    schema: string;
    postgres: pg.Pool;
    tables: readonly AuditedTable[];
  }) {
    this.redis = parts.redis;
    this.sources = parts.sources;
    this.source = parts.sources[0];
    this.sink = parts.sink;
    this.config = parts.config;
    this.#keeps = parts.keeps;
    this.#scope = parts.scope;
    this.#tell = parts.tell;
    this.#schema = parts.schema;
    this.#postgres = parts.postgres;
    this.#tables = parts.tables;
  }

  /** Makes everything but starts neither source nor sink. PostgreSQL has to run; Kafka and the registry need not yet. */
  static async open(scope: Scope, tell: Tell, options: ShopOptions): Promise<Shop> {
    const {
      kafka = shared('kafka'),
      postgres: database = shared('postgres'),
      deletes,
      workers = 1,
      sourceEnv = {},
    } = options;
    const schema = uniqueName('crash');
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-crash-'));
    // They are ended before the server that they read: a scope ends things in their order.
    const first = await workerIn(scope, folder, 1, sourceEnv);
    const sources: [Connector, ...Connector[]] = [first.connector];
    const files = [first];
    for (let number = 2; number <= workers; number += 1) {
      const worker = await workerIn(scope, folder, number, sourceEnv);
      sources.push(worker.connector);
      files.push(worker);
    }
    const sinkPort = await freePort();
    const args = ['sink', SINK, '-c', first.file];
    const sink = new Connector(scope, { name: 'sink', args, folder, httpPort: sinkPort });
    const redis = await startRedis(scope, options.mode === undefined ? [] : ['--notify-keyspace-events', 'KA']);
    const texts = files.map(({ file, state, port }) => ({
      file,
      text: configurationOf({
        ...options,
        pipeline: schema,
        redis: redis.url,
        state,
        ports: { source: port, sink: sinkPort },
        database,
      }),
    }));
    for (const { file, text } of texts) await writeFile(file, text);
    const config = configOf(texts[0]?.text ?? '');
    const postgres = new pg.Pool({ connectionString: database, max: 2 });
    // A database that a test kills is no news.
    postgres.on('error', () => undefined);
    const { person, cars } = config.mappings;
    assert.ok(person !== undefined && cars !== undefined);
    const tables = [
      { mapping: person, versionColumn: VERSION },
      { mapping: cars, versionColumn: undefined },
    ];
    await createAuditedTables(postgres, schema, tables);
    // After the connectors' own ends, which the scope was told of before.
    scope.after(async () => {
      await postgres.query(`DROP SCHEMA "${schema}" CASCADE`).catch(() => undefined);
      await postgres.end();
      if (options.kafka === undefined) await deleteTopics(kafkaAt(kafka), topicsOf(config));
      if (process.env['AFTERWRITE_KEEP_LOGS'] === undefined) await rm(folder, { recursive: true, force: true });
      else tell(`logs: ${folder}`);
    });
    const keeps = deletes === 'default';
    return new Shop({ redis, sources, sink, config, keeps, scope, tell, schema, postgres, tables });
  }

  /** Begins random commands; `steps` a second by `rate`. */
  startWorkload(random: Random, rate: number, mix: Partial<CommandMix> = {}): Workload {
    const seed = random.below(2 ** 31);
    return new Workload(this.#scope, { ...calm, ...mix, port: this.redis.port, seed, rate, steps: 1_000_000 });
  }

  async ready(withinMs = 60_000): Promise<void> {
    const running = this.sources.filter((source) => source.running);
    assert.ok(running.length > 0, `a source runs; ${this.source.tail()}`);
    await Promise.all([...running, this.sink].map((connector) => connector.ready(withinMs)));
  }

  /** Waits until one worker of the source follows the shard, not being one of these; returns it. */
  async owner(except: readonly Connector[] = [], withinMs = 60_000): Promise<Connector> {
    const others = this.sources.filter((source) => source.running && !except.includes(source));
    const found = await until(
      'a worker that follows the shard',
      async () => {
        const ended = others.find((source) => !source.running);
        if (ended !== undefined) return { ended };
        const looks = others.map(async (source) => ({ source, part: (await source.parts('/readyz'))[SHARD] }));
        const owner = (await Promise.all(looks)).find(({ part }) => part?.ok === true)?.source;
        return owner && { owner };
      },
      { timeoutMs: withinMs, everyMs: 50 },
    );
    assert.ok('owner' in found, `${found.ended?.name} runs until the test ends it; ${found.ended?.tail()}`);
    return found.owner;
  }

  /** Returns when the sink has written all that is in the topics. */
  async #sinkAtEnd(): Promise<void> {
    const kafka = kafkaAt(this.config.kafka.brokers[0]);
    for (const { mapping } of this.#tables) {
      const { topic } = mapping;
      const ends = endsOf(await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic)));
      await untilEqual(`the end of ${topic}`, ends, async () => {
        const { rows } = await this.#postgres.query<{ partition: number; high: string }>(
          `SELECT partition, next_offset AS high FROM "${this.#schema}".afterwrite_offsets WHERE topic = $1`,
          [topic],
        );
        return endsOf(rows);
      });
    }
  }

  /**
   * Everything that must be true in the end: rows equal hashes as the policies say, both processes end in order, the
   * topics hold no event twice and none out of order, and the triggers saw none applied twice.
   */
  async checkAll(workload: Workload): Promise<void> {
    await workload.stop();
    this.#tell(`${workload.done} steps, ${workload.refused} of their commands refused`);
    await this.ready();
    const read = { redis: this.redis.client, postgres: this.#postgres, schema: this.#schema };
    const mayStay = (key: string): boolean => this.#keeps && workload.expirable.has(key);
    for (const { mapping } of this.#tables) {
      const { rows, rejected, kept } = await untilRowsEqualHashes(new Oracle(mapping), read, mayStay);
      this.#tell(
        `${mapping.table}: ${rows} rows equal their hashes, ${rejected} hashes are no rows, ${kept} rows are kept`,
      );
    }
    // A hash may have expired since: what the source still told has to reach the table, too.
    for (const source of this.sources) if (source.running) await source.stop();
    await this.#sinkAtEnd();
    await this.sink.stop('SIGINT');
    const { kafka, registry } = this.config;
    for (const table of this.#tables) {
      const { topic } = table.mapping;
      const findings = auditTopic(topic, await readTopic(kafka.brokers[0] ?? '', registry.url, topic));
      const changes = await auditTable(this.#postgres, this.#schema, table, findings);
      this.#tell(`${topic}: ${findings.events} events ${JSON.stringify(findings.ops)}, ${changes} changes of rows`);
      assert.ok(findings.events > 0 && changes > 0, `${topic} carried nothing`);
    }
  }
}

function endsOf(ends: readonly { readonly partition: number; readonly high: string }[]): string[] {
  return ends.map(({ partition, high }) => `${partition} ${high}`).sort();
}

/** The worker of this number: its files lie in the folder, named for it. */
async function workerIn(scope: Scope, folder: string, number: number, env: Readonly<Record<string, string>>) {
  const name = number === 1 ? 'source' : `source-${number}`;
  const file = join(folder, `${name}.yaml`);
  const port = await freePort();
  // A test's own flushes, swaps with an empty database and expiries, met by a full resync, are no accident.
  const args = ['source', '-c', file, '--confirm-vanished', '1000000'];
  const connector = new Connector(scope, { name, args, folder, httpPort: port, env });
  return { connector, file, port, state: join(folder, number === 1 ? 'state' : `state-${number}`) };
}

function configurationOf(options: {
  deletes: ShopOptions['deletes'];
  batchRecords?: number;
  mode?: 'notifications';
  kafka?: string;
  registry?: string;
  database: string;
  pipeline: string;
  redis: string;
  state: string;
  ports: { source: number; sink: number };
}): string {
  const { kafka = shared('kafka'), registry = shared('registry'), database, pipeline, redis, state, ports } = options;
  // JSON is YAML.
  return JSON.stringify({
    pipeline,
    kafka: { brokers: [kafka], topics: { partitions: 2 } },
    registry: { url: registry },
    source: {
      url: redis,
      ...(options.mode === undefined ? {} : { mode: options.mode }),
      state,
      ...(options.deletes === 'all' ? { removals: allDelete } : {}),
      batch: { records: options.batchRecords ?? 1000 },
      http: { port: ports.source },
    },
    mappings: { person: { ...captured.person, before: true }, cars: captured.cars },
    sinks: {
      [SINK]: {
        kind: 'postgres',
        url: database,
        schema: pipeline,
        create: true,
        tables: { person: { versionColumn: VERSION } },
        batch: { linger: '20ms' },
        http: { port: ports.sink },
      },
    },
  });
}

function configOf(text: string): Config {
  const { config, problems } = checkConfig(text);
  assert.ok(config !== undefined, JSON.stringify(problems));
  return config;
}

function topicsOf({ pipeline, mappings }: Config): string[] {
  const own = [positionsTopic, marksTopic, deadLettersTopic].map((name) => name(pipeline));
  return [...own, ...Object.values(mappings).map(({ topic }) => topic)];
}
