import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KEYS, MASTERS, MovingWorld, SLOTS, slotOf } from './moving-world.ts';
import { ModelShard, type Published, type Shared } from './model-shard.ts';

const RUNS = Number(process.env['AFTERWRITE_RUNS'] ?? 40);

type Move =
  | { readonly kind: 'write' | 'remove' | 'migrate'; readonly key: string }
  | { readonly kind: 'begin'; readonly slot: number; readonly to: number }
  | { readonly kind: 'finish' | 'abort'; readonly slot: number }
  | { readonly kind: 'fold' | 'rush' | 'look' | 'commit' | 'halves' | 'claim' | 'crash'; readonly shard: number };

const key = fc.constantFrom(...KEYS);
const slot = fc.constantFrom(...SLOTS);
const shard = fc.constantFrom(...MASTERS);
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('write', 'write', 'remove', 'migrate'), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin'), slot, to: shard }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('finish', 'finish', 'abort'), slot }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('fold', 'rush', 'rush', 'look', 'commit', 'commit', 'halves', 'claim', 'claim', 'crash'),
      shard,
    }),
  },
);

/** A cluster, the shards that follow it, and what they publish. */
class Run {
  readonly #shared: Shared;
  readonly #shards: ModelShard[];

  constructor(slack = 0) {
    this.#shared = { world: new MovingWorld(), slack, topic: [], committed: new Map() };
    this.#shards = MASTERS.map((number) => new ModelShard(number, this.#shared));
    // Positions say who owns what before anything moves.
    for (const one of this.#shards) one.commit();
  }

  get topic(): readonly Published[] {
    return this.#shared.topic;
  }

  do(one: Move): void {
    const { world } = this.#shared;
    switch (one.kind) {
      case 'write':
      case 'remove':
      case 'migrate':
        world[one.kind](one.key);
        return;
      case 'begin':
        world.begin(one.slot, one.to);
        return;
      case 'abort':
        world.abort(one.slot);
        return;
      case 'finish':
        world.finish(one.slot);
        return;
      case 'crash':
        this.#shards[one.shard] = new ModelShard(one.shard, this.#shared);
        return;
      case 'halves':
        this.#shards[one.shard]?.commit(true);
        return;
      case 'rush':
        for (let step = 0; step < 8; step++) this.#shards[one.shard]?.fold();
        return;
      default:
        this.#shards[one.shard]?.[one.kind]();
    }
  }

  /** Lets everything end that goes on. */
  rest(): void {
    for (const one of SLOTS) this.#shared.world.finish(one);
    for (let round = 0; round < 50 && !this.#shards.every(({ isAtRest }) => isAtRest); round++) {
      for (const one of this.#shards) {
        while (one.behind > 0) one.fold();
        one.look();
        one.commit();
        one.claim();
        one.commit();
      }
    }
    assert.ok(
      this.#shards.every(({ isAtRest }) => isAtRest),
      'it comes to rest',
    );
  }

  check(): void {
    const rows = new Map<string, string>();
    const versions = new Map<string, number>();
    for (const { key: name, row, version, shard: by } of this.topic) {
      const at = `${name} ${row} at ${version} by ${by}`;
      assert.ok(version > (versions.get(name) ?? -1), `${at}: versions of a key rise`);
      versions.set(name, version);
      assert.notEqual(row, rows.get(name) ?? null, `${at}: says something new`);
      if (row === null) rows.delete(name);
      else rows.set(name, row);
    }
    assert.deepEqual(rows, this.#shared.world.hashes(), 'rows equal hashes');
  }

  /** No row goes whose hash lives on: a row that is deleted was deleted by a client. */
  deletes(): number {
    return this.topic.filter(({ row }) => row === null).length;
  }
}

test('rule 10: whatever moves, commits and crashes in between, each change of a key is published once, in order', () => {
  fc.assert(
    fc.property(fc.array(move, { minLength: 60, maxLength: 200, size: 'max' }), (moves) => {
      const run = new Run();
      for (const one of moves) run.do(one);
      run.rest();
      run.check();
    }),
    { numRuns: RUNS },
  );
});

for (const [by, slack, isCalm] of [
  ['however keys move', 0, (kind: string): boolean => kind !== 'remove'],
  // The stream alone would not tell: what is removed at a place far behind the look has waited for it so far.
  ['of a slot that came back, by its epoch', Infinity, (kind: string): boolean => !['remove', 'abort'].includes(kind)],
] as const) {
  test(`rule 10: as long as no client deletes, no row is deleted, ${by}`, () => {
    fc.assert(
      fc.property(
        fc.array(
          move.filter(({ kind }) => isCalm(kind)),
          { minLength: 60, maxLength: 200, size: 'max' },
        ),
        (moves) => {
          const run = new Run(slack);
          for (const one of moves) run.do(one);
          run.rest();
          run.check();
          assert.equal(run.deletes(), 0);
        },
      ),
      { numRuns: RUNS },
    );
  });
}

test('rule 10: a slot that leaves and comes back twice while its shard is late tells nothing', () => {
  const run = new Run(Infinity);
  run.do({ kind: 'write', key: '0:a' });
  run.rest();
  const awayAndBack = (): void => {
    for (const to of [1, 0]) {
      run.do({ kind: 'begin', slot: 0, to });
      run.do({ kind: 'finish', slot: 0 });
    }
  };
  awayAndBack();
  run.do({ kind: 'fold', shard: 0 });
  awayAndBack();
  // It comes back for the first time, leaves again, and is looked at between: it is there.
  for (let step = 0; step < 2; step++) run.do({ kind: 'fold', shard: 0 });
  run.do({ kind: 'commit', shard: 0 });
  run.rest();
  run.check();
  assert.equal(run.topic.length, 1);
});

test('rule 10: a key that moves and does not change is not published again', () => {
  const run = new Run();
  run.do({ kind: 'write', key: '0:a' });
  run.rest();
  run.do({ kind: 'begin', slot: 0, to: 1 });
  run.do({ kind: 'migrate', key: '0:a' });
  for (const shard of [0, 1]) run.do({ kind: 'fold', shard });
  run.do({ kind: 'commit', shard: 0 });
  run.rest();
  run.check();
  assert.equal(run.topic.length, 1);
  assert.equal(slotOf('0:a'), 0);
});
