import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Config } from '../../../config/index.ts';
import { replay, type ReplayOptions, type ReplayOutcome } from '../../../sink-connector/replay.ts';
import { kafkaAt } from '../../support/kafka.ts';
import { Random, seedOfTest } from '../../support/random.ts';
import { EventLog, type TestEvent } from '../../support/sink/event-log.ts';
import { createWorker, sinkConfig, type TestWorker } from '../../support/sink/worker.ts';
import { until, untilEqual } from '../../support/until.ts';
import type { ContractBinding, ContractDatabase } from '../binding.ts';
import { inOrder, type CanonicalRow } from '../canonical.ts';
import { auditFindings } from './audit.ts';
import { untilWritten } from './sink.ts';
import { persons, Stage } from './stage.ts';

const patience = { timeoutMs: 120_000 };

/** A sink that writes its topic again, while it runs. */
export function replayTests(binding: ContractBinding): void {
  test('a replay of a whole topic on running workers shows no reader an older row, nor a deleted one', async (t) => {
    const stage = await Stage.open(t, binding);
    const config = smallBatches(stage);
    const log = await EventLog.create(t, config, 'person', 4);
    const expected = await writeRounds(log, 8, 60);
    const workers = [createWorker(t, config), createWorker(t, config)];
    for (const { worker } of workers) await worker.start();
    await untilEpoch(stage, log, 0);
    await untilEqual('the rows', expected, () => stage.rows(persons), patience);
    const reader = new Reader(stage.database);
    await reader.start();
    try {
      for (let epoch = 1; epoch <= 3; epoch++) {
        const outcomes = await again(config);
        assert.ok(outcomes.every(({ kind, done }) => kind === 'move' && done === 'moved'));
        await untilEpoch(stage, log, epoch);
      }
    } finally {
      await reader.stop();
    }
    assert.deepEqual(reader.findings, []);
    assert.ok(reader.looks > 3);
    assert.deepEqual(await stage.rows(persons), expected);
  });

  test('an idle partition notices a replay, and is ready again when it is back at its end', async (t) => {
    const stage = await Stage.open(t, binding);
    const config = smallBatches(stage);
    const log = await EventLog.create(t, config, 'person');
    const expected = await writeRounds(log, 4, 50);
    const sink = createWorker(t, config);
    await sink.worker.start();
    await until('ready', () => isReady(sink), patience);
    await again(config);
    await until('a replay', () => epochsOf(sink).includes('1'));
    await untilEpoch(stage, log, 1);
    await until('ready again', () => isReady(sink), patience);
    assert.deepEqual(await stage.rows(persons), expected);
    assert.doesNotMatch(await sink.metrics.text(), /sink_fence_misses_total\{.*\} [1-9]/, 'no batch was lost to it');
  });

  test('a table that keeps no versions is replayed only when a person agrees', async (t) => {
    const stage = await Stage.open(t, binding);
    const config = sinkConfig({ database: stage.database, sink: { batch: { rows: 10, linger: '0ms' } } });
    const log = await EventLog.create(t, config, 'person', 2);
    const expected = await writeRounds(log, 3, 30);
    const sink = createWorker(t, config);
    await sink.worker.start();
    await untilEpoch(stage, log, 0);
    if (stage.transactional) {
      await assert.rejects(again(config), { code: 'REPLAY_UNGUARDED', message: /persons.*--without-guard/s });
    }
    await again(config, { withoutGuard: stage.transactional });
    await untilEpoch(stage, log, 1);
    assert.deepEqual(await stage.rows(persons), expected);
  });

  test('zombies, workers that come and go, and replays, all at once, end exact', async (t) => {
    const seed = seedOfTest();
    t.diagnostic(`AFTERWRITE_SEED=${seed}`);
    const random = new Random(seed);
    const stage = await Stage.open(t, binding);
    const { audit } = stage.database;
    await audit?.();
    const config = smallBatches(stage);
    const log = await EventLog.create(t, config, 'person', 4);
    const model = new Map<string, string>();
    const write = async (round: number): Promise<void> => {
      const events = Array.from({ length: 40 }, (_, index): TestEvent => {
        const key = `k${random.below(50)}`;
        const value = random.chance(0.2) ? undefined : `${round}.${index}`;
        if (value === undefined) model.delete(key);
        else model.set(key, value);
        return { key, values: value === undefined ? null : [value, null] };
      });
      await log.commit(...events);
    };
    await write(0);
    await createWorker(t, config).worker.start();
    await untilEpoch(stage, log, 0);
    let guest: TestWorker | undefined;
    for (let round = 1; round <= 12; round++) {
      await write(round);
      if (random.chance(0.5)) await again(config);
      // As if the group had given a partition to somebody who stops at once.
      const claimed = { topic: log.topic, partition: random.below(4) };
      if (random.chance(0.3)) await stage.writer.claim(claimed, { clusterId: '', nextOffset: 0n }, stage.retry);
      if (guest === undefined) {
        guest = createWorker(t, config);
        await guest.worker.start();
      } else if (random.chance(0.6)) {
        await guest.worker.stop();
        guest = undefined;
      }
    }
    await write(13);
    await untilWritten(stage.database, log, patience);
    assert.deepEqual(await stage.rows(persons), inOrder([...model].map(([key, value]) => [key, value, null])));
    if (audit !== undefined) assert.deepEqual(await auditFindings(stage.database), []);
  });
}

/** So that a replay goes through many transactions. */
function smallBatches(stage: Stage): Config {
  const { versionColumn } = stage.guarded(persons);
  return sinkConfig({ database: stage.database, sink: { versionColumn, batch: { rows: 10, linger: '0ms' } } });
}

function again(config: Config, options: Partial<ReplayOptions> = {}): Promise<readonly ReplayOutcome[]> {
  const all = { config, client: kafkaAt(), sink: 'warehouse', mappings: [] };
  return replay({ ...all, start: { kind: 'earliest' }, withoutGuard: false, dryRun: false, ...options });
}

/** Waits until every partition is written to its end under this epoch. */
async function untilEpoch(stage: Stage, log: EventLog, epoch: number): Promise<void> {
  const expected = (await log.ends()).map((end) => [String(end), String(epoch)]);
  const found = async () => (await stage.offsets()).map(([, , , , next, of]) => [next, of]);
  await untilEqual('the offsets', expected, found, patience);
}

/** Writes each key several times and then deletes every fifth. @returns what the table must hold. */
async function writeRounds(log: EventLog, rounds: number, keys: number): Promise<CanonicalRow[]> {
  for (let round = 0; round < rounds; round++) {
    const isLast = round === rounds - 1;
    const events = Array.from({ length: keys }, (_, index): TestEvent => {
      return { key: `k${index}`, values: isLast && index % 5 === 0 ? null : [String(round), null] };
    });
    await log.commit(...events);
  }
  const kept = Array.from({ length: keys }, (_, index) => index).filter((index) => index % 5 !== 0);
  return inOrder(kept.map((index) => [`k${index}`, String(rounds - 1), null]));
}

function isReady({ worker }: TestWorker): boolean {
  return Object.values(worker.ready()).every(({ ok }) => ok);
}

function epochsOf({ worker }: TestWorker): unknown[] {
  return Object.values(worker.ready()).map(({ details }) => details?.['epoch']);
}

/** Reads the whole table over and over, and notes every row that went back, away, or came back. Values are rounds. */
class Reader {
  readonly findings: string[] = [];
  looks = 0;
  readonly #rounds = new Map<string, number>();
  readonly #database: ContractDatabase;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(database: ContractDatabase) {
    this.#database = database;
  }

  async start(): Promise<void> {
    await this.#look(true);
    this.#running = this.#loop();
    // Awaited when it is stopped.
    this.#running.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      await this.#look(false);
      // An embedded database answers at once, and would leave the workers no turn.
      await setImmediate();
    }
  }

  async #look(isFirst: boolean): Promise<void> {
    const rows = await this.#database.rows('persons', [...persons.keyColumns, ...persons.valueColumns]);
    this.looks++;
    for (const [key, value] of rows) {
      const before = this.#rounds.get(String(key));
      const round = Number(value);
      if (before === undefined && !isFirst) this.findings.push(`${String(key)} came back`);
      if (before !== undefined && round < before) this.findings.push(`${String(key)} went from ${before} to ${round}`);
      this.#rounds.set(String(key), round);
    }
    if (rows.length < this.#rounds.size) this.findings.push('a row was gone');
  }
}
