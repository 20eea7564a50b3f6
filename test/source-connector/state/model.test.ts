import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { openState } from '../../../source-connector/state/open.ts';
import type { Entry, StateStore } from '../../../source-connector/state/port.ts';

/** So small that the log is copied forward all the time. */
const TINY = { floorBytes: 100, factor: 1, copyBytes: 60 };
const RUNS = 50;

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'state-log-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function entry(value: string, expireAt = 0): Entry {
  return { current: Buffer.from(value), expireAt, published: Buffer.from(`row of ${value}`), mark: null };
}

const NOTHING: Entry = { current: null, expireAt: 0, published: null, mark: null };

/** All that a store, or the model, holds: `db key → value expireAt`. */
type Content = ReadonlyMap<string, string>;

function contentOf(store: StateStore): Content {
  const content = new Map<string, string>();
  for (const db of store.databases()) {
    for (const key of store.keys(db)) {
      const found = store.get(db, key);
      assert.ok(found);
      assert.equal(String(found.published), `row of ${String(found.current)}`);
      content.set(`${db} ${key.toString()}`, `${String(found.current)} ${found.expireAt}`);
    }
    assert.equal([...store.keys(db)].length, store.count(db));
  }
  return content;
}

/** What the store should do, as simply as can be, with what it held at each tag. */
class Model {
  content = new Map<string, string>();
  readonly history = new Map<number, Content>();

  put(db: number, key: string, value: string, expireAt: number): void {
    this.content.set(`${db} ${key}`, `${value} ${expireAt}`);
  }

  remove(db: number, key: string): void {
    this.content.delete(`${db} ${key}`);
  }

  seal(sequence: number): void {
    this.history.set(sequence, new Map(this.content));
  }

  reopen(sequence: number): Content {
    const content = this.history.get(sequence);
    assert.ok(content, `sequence ${sequence} was sealed`);
    this.content = new Map(content);
    return content;
  }
}

type Step =
  | { do: 'put'; db: number; key: string; value: string; expireAt: number }
  | { do: 'remove'; db: number; key: string }
  /** Seals some batches at once, syncs them at once; `commit` tells Kafka's commit of the last one. */
  | { do: 'cut'; batches: number; commit: boolean }
  /** Opens again at some tag between the committed and the last synced one; `kill` loses what is not synced. */
  | { do: 'reopen'; back: number };

const db = fc.nat({ max: 3 });
const key = fc.nat({ max: 15 }).map((n) => `key:${n}`);
const value = fc.nat({ max: 120 }).map((n) => `v${'*'.repeat(n)}`);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('put' as const), db, key, value, expireAt: fc.nat({ max: 3 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), db, key }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('cut' as const),
      batches: fc.integer({ min: 1, max: 3 }),
      commit: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), back: fc.nat({ max: 4 }) }) },
);

/** A store and a model that do the same; `check` compares them. */
class Run {
  readonly #folder: string;
  readonly #model = new Model();
  #store: StateStore;
  #logId = '';
  #synced = 0;
  #committed = 0;
  shortened = false;

  private constructor(folder: string, store: StateStore) {
    this.#folder = folder;
    this.#store = store;
  }

  static async start(folder: string): Promise<Run> {
    const run = new Run(folder, (await openState(folder, null, TINY)).store);
    await run.step({ do: 'cut', batches: 1, commit: true });
    return run;
  }

  async step(step: Step): Promise<void> {
    if (step.do === 'put') {
      this.#store.put(step.db, Buffer.from(step.key), entry(step.value, step.expireAt));
      this.#model.put(step.db, step.key, step.value, step.expireAt);
    } else if (step.do === 'remove') {
      this.#store.put(step.db, Buffer.from(step.key), NOTHING);
      this.#model.remove(step.db, step.key);
    } else if (step.do === 'cut') {
      await this.#cut(step.batches, step.commit);
    } else {
      await this.#reopen(Math.max(this.#committed, this.#synced - step.back));
    }
  }

  async check(): Promise<void> {
    assert.deepEqual(contentOf(this.#store), this.#model.content);
    const segments = await readdir(this.#folder);
    this.shortened ||= !segments.includes('0000000000000001.log');
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async #cut(batches: number, commit: boolean): Promise<void> {
    const syncs: Promise<void>[] = [];
    for (let n = 0; n < batches; n++) {
      const sealed = this.#store.seal();
      this.#logId = sealed.tag.logId;
      this.#synced = sealed.tag.sequence;
      this.#model.seal(this.#synced);
      syncs.push(this.#store.sync(sealed));
    }
    await Promise.all(syncs);
    if (!commit) return;
    this.#committed = this.#synced;
    this.#store.committed(this.#committed);
  }

  async #reopen(sequence: number): Promise<void> {
    await this.#store.close();
    const { store, from } = await openState(this.#folder, { logId: this.#logId, sequence }, TINY);
    this.#store = store;
    this.#committed = this.#synced = sequence;
    const expected = this.#model.reopen(sequence);
    assert.equal(from.kind === 'recovered' && from.entries, expected.size);
    await this.check();
  }
}

test('is, at any synced tag, what a simple model says, while its log is copied forward all the time', async (t) => {
  let shortened = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 150, size: 'max' }), async (steps) => {
      const run = await Run.start(await temporaryFolder(t));
      try {
        for (const step of steps) await run.step(step);
        await run.check();
        await run.step({ do: 'reopen', back: 0 });
        if (run.shortened) shortened++;
      } finally {
        await run.close();
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok(shortened > RUNS / 3, `the log was copied forward in ${shortened} of ${RUNS} runs`);
});
