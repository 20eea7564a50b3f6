import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import fc from 'fast-check';
import { readToEnd, type FetchedRecord, type PartitionReader } from '../../../clients/kafka/index.ts';
import type { MappingConfig } from '../../../config/index.ts';
import { openReader } from '../../support/kafka.ts';
import { difference, Oracle, type Rows } from '../../support/oracle.ts';
import { Random, seedOfTest } from '../../support/random.ts';
import type { TestRedis } from '../../support/redis.ts';
import { shared } from '../../support/servers.ts';
import { follows, startKeyEvents } from '../../support/source/key-events.ts';
import { TestPipeline } from '../../support/source/pipeline.ts';
import type { TestSource } from '../../support/source/source.ts';
import { auditTopic } from '../../support/topic-audit.ts';
import { topicRecordOf, type TopicRecord } from '../../support/topic-history.ts';
import { until } from '../../support/until.ts';
import { captured, CommandStream, type CommandMix } from '../../support/workload-commands.ts';
import { DATABASES, sendSteps, untilNothingExpires } from '../../support/workload-steps.ts';
import { allDelete } from '../../support/removals.ts';

/** Of two databases, so that MOVE, COPY and SWAPDB carry hashes from rows to rows. */
const mappings = {
  person: { ...captured.person, before: true, removals: allDelete },
  cars: { ...captured.cars, database: 1, removals: allDelete },
};
const mix: CommandMix = { keys: 24, badValues: true, fromUncaptured: true, flushes: false, swaps: false };

/** No course is begun after this time, ms, so that the test ends within a minute. */
const TIME = 40_000;
/** For so long a smaller course is looked for once one has failed, ms. */
const SHRINKING = 90_000;

/** Steps that are sent in one go. */
const HANDFUL = 3;

/** What happens next. Commands follow from their seed; fewer of them are the first of them. */
type Deed =
  | { readonly kind: 'commands' | 'unheard'; readonly seed: number; readonly steps: number }
  /** The source ends and begins again, with its state or without, and the commands fall in between. */
  | { readonly kind: 'restart'; readonly seed: number; readonly steps: number; readonly forgets: boolean }
  | { readonly kind: 'swap'; readonly databases: readonly [number, number] }
  | { readonly kind: 'flush'; readonly command: 'FLUSHALL' | 'FLUSHDB'; readonly database: number }
  | { readonly kind: 'rest' };

const seed = fc.nat();
const steps = fc.integer({ min: 1, max: 40 });
const database = fc.constantFrom(...DATABASES);
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('commands'), seed, steps }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('unheard'), seed, steps }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart'), seed, steps, forgets: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('swap'), databases: fc.tuple(database, database) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('flush'),
      command: fc.constantFrom('FLUSHALL', 'FLUSHDB'),
      database,
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'rest' }) },
);

/** One of each kind, whatever chance brings. */
const all: readonly Deed[] = [
  { kind: 'commands', seed: 1, steps: 60 },
  { kind: 'unheard', seed: 2, steps: 60 },
  { kind: 'rest' },
  { kind: 'commands', seed: 3, steps: 60 },
  { kind: 'swap', databases: [0, 1] },
  { kind: 'commands', seed: 4, steps: 30 },
  { kind: 'rest' },
  { kind: 'restart', seed: 5, steps: 30, forgets: true },
  { kind: 'flush', command: 'FLUSHALL', database: 0 },
  { kind: 'commands', seed: 6, steps: 30 },
];

/** A mapping's topic, read on from where it was read to, and the hashes that its rows have to equal. */
class Told {
  readonly #oracle: Oracle;
  readonly #topic: string;
  readonly #reader: PartitionReader;
  readonly #registry = new SchemaRegistry({ host: shared('registry') });
  readonly #records: TopicRecord[] = [];
  readonly #offsets = new Map<number, number>();

  constructor(mapping: MappingConfig, reader: PartitionReader) {
    this.#oracle = new Oracle(mapping);
    this.#topic = mapping.topic;
    this.#reader = reader;
  }

  /** Waits until its rows are the hashes. @throws AssertionError for an event that is not to be */
  async untilRowsEqual({ client }: TestRedis): Promise<void> {
    const expected = await this.#oracle.expected(client);
    let last: unknown;
    const what = `the rows of ${this.#topic} to equal the hashes`;
    await until(what, async () => {
      const rows = await this.#rows();
      if (rows instanceof Error) return rows;
      last = difference(expected, rows, () => false);
      return Object.values(last ?? {}).every((list) => Array.isArray(list) && list.length === 0);
    }).then(
      (found) => {
        if (found instanceof Error) throw found;
      },
      () => assert.fail(`waited for ${what}; they differ: ${JSON.stringify(last, null, 1)}`),
    );
  }

  /** What the topic comes to; the error when an event is twice, out of order, or says nothing new. */
  async #rows(): Promise<Rows | Error> {
    for (const partition of await this.#reader.partitions(this.#topic)) {
      const fetched: FetchedRecord[] = [];
      const range = { topic: this.#topic, partition, from: this.#offsets.get(partition) };
      const end = await readToEnd(this.#reader, range, (record) => void fetched.push(record));
      const records: TopicRecord[] = [];
      for (const record of fetched) {
        records.push(await topicRecordOf(this.#registry, this.#topic, partition, record));
      }
      this.#records.push(...records);
      this.#offsets.set(partition, end);
    }
    const rows = new Map<string, Record<string, string | null>>();
    try {
      for (const { keyRow, after } of auditTopic(this.#topic, this.#records).last.values()) {
        if (after === null) continue;
        const row: Record<string, string | null> = {};
        for (const [name, value] of Object.entries(after)) row[name] = value === null ? null : textOf(value);
        rows.set(this.#oracle.renderKey(Object.values(keyRow).map(textOf)), row);
      }
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
    return rows;
  }
}

/** Of a column of `captured`. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  assert.ok(typeof value === 'number' || typeof value === 'boolean', `${typeof value} of a column`);
  return String(value);
}

/** A source that follows the key events of a server, in its lives, and what it has told. */
class World {
  readonly #redis: TestRedis;
  readonly #pipeline: TestPipeline;
  readonly #told: readonly Told[];
  #source: TestSource;

  private constructor(redis: TestRedis, pipeline: TestPipeline, told: readonly Told[], source: TestSource) {
    this.#redis = redis;
    this.#pipeline = pipeline;
    this.#told = told;
    this.#source = source;
  }

  static async open(t: TestContext, redis: TestRedis): Promise<World> {
    const pipeline = await TestPipeline.open(
      t,
      { mappings, source: { mode: 'notifications', notifications: { linger: '1ms' } } },
      { redis },
    );
    const source = begun(pipeline);
    const reader = await openReader(t);
    const told = Object.values(pipeline.config().mappings).map((mapping) => new Told(mapping, reader));
    return new World(redis, pipeline, told, source);
  }

  /** Removes what a course before has left, and follows: what happens from now on is told. */
  async clear(): Promise<void> {
    const { client } = this.#redis;
    for (const db of DATABASES) {
      await client.select(db);
      for (const key of await client.keysBuffer('*')) await client.del(key);
    }
    await this.do({ kind: 'rest' });
  }

  async do(one: Deed): Promise<void> {
    const { client } = this.#redis;
    switch (one.kind) {
      case 'commands':
        await this.#send(one.seed, one.steps);
        return;
      case 'unheard':
        await this.#sendUnheard(one.seed, one.steps);
        return;
      case 'restart':
        await this.end();
        await this.#send(one.seed, one.steps);
        if (one.forgets) await rm(join(this.#pipeline.folder, 'state'), { recursive: true, force: true });
        this.#source = begun(this.#pipeline);
        return;
      case 'swap':
        await client.swapdb(...one.databases);
        return;
      case 'flush':
        await client.select(one.database);
        await client.call(one.command);
        return;
      case 'rest':
        await untilNothingExpires(client);
        for (const told of this.#told) await told.untilRowsEqual(this.#redis);
        await follows(this.#source);
    }
  }

  async end(): Promise<void> {
    await this.#source.stop();
  }

  async #send(seed: number, steps: number): Promise<void> {
    const { client } = this.#redis;
    await client.select(0);
    const commands = new CommandStream(new Random(seed), mix);
    // A few at a time, so that some keys are read while they change.
    for (let left = steps; left > 0; left -= HANDFUL) await sendSteps(client, commands, Math.min(left, HANDFUL));
  }

  /** In one transaction with the end of the subscription, so that nothing of it can be heard. */
  async #sendUnheard(seed: number, steps: number): Promise<void> {
    const { client } = this.#redis;
    await client.select(0);
    const commands = new CommandStream(new Random(seed), mix);
    const multi = client.multi().client('KILL', 'TYPE', 'pubsub');
    for (let left = steps; left > 0; left--) {
      const step = commands.next();
      for (const [name, ...args] of step.kind === 'transaction' ? step.commands : [step.command]) {
        multi.callBuffer(name, ...args);
      }
    }
    await multi.exec();
  }
}

/** A test's own flushes and swaps, met by the comparison of a start, are no accident. */
function begun(pipeline: TestPipeline): TestSource {
  return pipeline.start({}, { confirmed: 1_000_000 });
}

test('rules 3, 4: after any commands, lost subscriptions and restarts the topic is what the hashes are, each event once', async (t) => {
  const testSeed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${testSeed}`);
  const redis = await startKeyEvents(t);
  let deadline = performance.now() + TIME;
  let world: World | undefined;
  let courses = 0;
  let failed = false;
  const property = fc.asyncProperty(fc.array(deed, { minLength: 1, maxLength: 8 }), async (course) => {
    if (courses > 0 && performance.now() > deadline) return;
    courses += 1;
    world ??= await World.open(t, redis);
    try {
      await world.clear();
      for (const one of course) await world.do(one);
      await world.do({ kind: 'rest' });
    } catch (error) {
      if (!failed) deadline = performance.now() + SHRINKING;
      failed = true;
      // What it has told is wrong for ever.
      await world.end().catch(() => undefined);
      world = undefined;
      throw error;
    }
  });
  await fc.assert(property, { seed: testSeed, numRuns: 100, examples: [[[...all]]] });
  t.diagnostic(`${courses} courses`);
});
