import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Mutation } from '../../../source-connector/decode/mutation.ts';
import type { FoldTime, RemovalPolicy, RowReading, RowView } from '../../../source-connector/fold/change.ts';
import { Fold } from '../../../source-connector/fold/fold.ts';
import { packHash, unpackHash } from '../../../source-connector/packed-hash.ts';
import { LOG_LIMITS } from '../../../source-connector/state/copy-forward.ts';
import { openState } from '../../../source-connector/state/open.ts';
import type { StateStore } from '../../../source-connector/state/port.ts';
import { wholeOf } from '../../../source-connector/wide-hash.ts';

const ALL_WIDE = { ...LOG_LIMITS, wide: { fromBytes: 8, bucketFields: 2, bucketBytes: 16 } };
const NONE_WIDE = { ...LOG_LIMITS, wide: { fromBytes: Infinity, bucketFields: 16, bucketBytes: 512 } };
const MAPPED = ['a', 'b'];

/** Rows are the fields `a` and `b`; a hash whose `a` is `bad` is rejected. */
class View implements RowView<string> {
  readonly name = 'people';
  readonly readsExpiry = false;
  readonly fieldNames = MAPPED.map((name) => Buffer.from(name));
  readonly keepsAbsent: boolean;
  readonly #policy: RemovalPolicy;

  constructor(keepsAbsent: boolean, policy: RemovalPolicy) {
    this.keepsAbsent = keepsAbsent;
    this.#policy = policy;
  }

  read(_key: Buffer, hash: Buffer): RowReading<string> {
    const row = rowOf(hash);
    return row.includes('"bad"')
      ? { kind: 'rejected', digest: Buffer.from(row), problem: row }
      : { kind: 'row', row: Buffer.from(row) };
  }

  mappedFields(hash: Buffer): Buffer {
    return packHash(unpackHash(hash).filter(([n]) => MAPPED.includes(n.toString())));
  }

  policy(): RemovalPolicy {
    return this.#policy;
  }
}

const rowOf = (hash: Buffer): string => {
  const fields = new Map(unpackHash(hash).map(([n, v]) => [n.toString(), v.toString()]));
  return JSON.stringify(MAPPED.map((name) => fields.get(name) ?? null));
};

const name = fc.oneof(
  fc.constantFrom(...MAPPED),
  fc.nat({ max: 12 }).map((n) => `unmapped ${n}`),
);
const value = fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 9 }).map(String) }, fc.constantFrom('bad', 'text'));
const key = fc.constantFrom('p:1', 'p:2', 'outside').map((text) => Buffer.from(text));
const captured = fc.constantFrom('p:1', 'p:2').map((text) => Buffer.from(text));
const db = fc.constantFrom(0, 0, 0, 1);
const fields = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 9 }).map((pairs) => packHash(new Map(pairs)));
const kind = <Kind extends string>(of: Kind): fc.Arbitrary<Kind> => fc.constant(of);

type Step = Exclude<Mutation, { kind: 'flush' | 'swap' }> | { kind: 'swapped' } | { kind: 'snapshot' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: kind('set'), db, key: captured, fields }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: kind('unset'),
      db,
      key: captured,
      fields: fc.array(
        name.map((text) => Buffer.from(text)),
        { minLength: 1, maxLength: 5 },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind('increment'),
      db,
      key: captured,
      field: name.map((text) => Buffer.from(text)),
      by: fc.bigInt(-3n, 3n),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('remove'), db, key: captured }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('replace'), db, key: captured, fields, expireAt: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('expire'), db, key: captured, expireAt: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('rename'), fromDb: db, from: captured, toDb: db, to: key }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('copy'), fromDb: db, from: captured, toDb: db, to: key }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('swapped') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('snapshot') }) },
);

const time: FoldTime = { command: 'CMD', notBefore: 0, notAfter: Infinity, evicted: () => 'no' };

/** A fold that notes all that it puts out, and what the state holds. */
class Folding {
  readonly #state: StateStore;
  readonly #fold: Fold<string, View>;
  readonly notes: string[] = [];

  private constructor(state: StateStore, view: View) {
    this.#state = state;
    const note = (...said: unknown[]): void => {
      this.notes.push(said.map(String).join(' '));
    };
    this.#fold = new Fold<string, View>({
      state,
      captures: (bytes, start) => bytes[start] === 0x70,
      viewOf: (number) => (number === 0 ? view : undefined),
      output: {
        change: ({ op, key: of, before, after, command }) => {
          note(op, of, before, after, command);
        },
        rejected: (_view, _db, of, hash, problem) => {
          note('rejected', of, sorted(wholeOf(hash)), problem);
        },
        marked: (_view, _db, of, mark) => {
          note('marked', of, mark === null ? 'no' : [...new Set(mark.toString('latin1'))].sort().join(''));
        },
        effect: () => undefined,
        removed: (_view, { cause, policy }) => {
          note('removed', cause, policy);
        },
      },
    });
  }

  static async begin(t: TestContext, limits: typeof ALL_WIDE, view: View): Promise<Folding> {
    const folder = await mkdtemp(join(tmpdir(), 'wide-hashes-'));
    t.after(() => rm(folder, { recursive: true }));
    return new Folding((await openState(folder, null, limits)).store, view);
  }

  step(one: Step): void {
    if (one.kind === 'swapped') {
      for (const of of ['p:1', 'p:2']) this.#fold.swapped(0, 1, Buffer.from(of), time);
    } else if (one.kind === 'snapshot') {
      this.#fold.snapshotHash(0, Buffer.from('p:1'), packHash([['a', 'from a snapshot']]), 0, 0);
    } else {
      const unresolved = this.#fold.apply(one, time);
      if (unresolved !== undefined) this.notes.push(unresolved.reason);
    }
    for (const number of this.#state.databases()) {
      for (const of of [...this.#state.keys(number)].sort((a, b) => a.compare(b))) {
        const entry = this.#state.get(number, of);
        const { current = null, expireAt = 0, published } = entry ?? {};
        this.notes.push(
          `${number}/${String(of)} ${current === null ? 'gone' : sorted(wholeOf(current))} ${expireAt} ${String(published)}`,
        );
      }
    }
  }

  get holdsWide(): boolean {
    const current = this.#state.get(0, Buffer.from('p:1'))?.current ?? null;
    return current !== null && !Buffer.isBuffer(current);
  }

  async close(): Promise<void> {
    await this.#state.close();
  }
}

function sorted(hash: Buffer): string {
  return JSON.stringify(
    unpackHash(hash)
      .map(([n, v]) => `${n.toString()}=${v.toString()}`)
      .sort(),
  );
}

test('what is said and kept of a hash does not depend on whether it is wide', async (t) => {
  let wide = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: 'max' }),
      fc.boolean(),
      fc.constantFrom<RemovalPolicy>('delete', 'keep'),
      async (steps, keepsAbsent, policy) => {
        const view = new View(keepsAbsent, policy);
        const asWide = await Folding.begin(t, ALL_WIDE, view);
        const inOnePiece = await Folding.begin(t, NONE_WIDE, view);
        for (const one of steps) {
          asWide.step(one);
          inOnePiece.step(one);
          if (asWide.holdsWide) wide++;
          assert.deepEqual(asWide.notes.splice(0), inOnePiece.notes.splice(0), one.kind);
        }
        await asWide.close();
        await inOnePiece.close();
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(wide > 150, `wide after ${wide} steps`);
});
