import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Mutation } from '../../../source-connector/decode/mutation.ts';
import type {
  Change,
  FoldOutput,
  FoldTime,
  RemovalCause,
  RemovalPolicy,
  RowReading,
  RowView,
} from '../../../source-connector/fold/change.ts';
import { Fold } from '../../../source-connector/fold/fold.ts';
import { packHash, unpackHash } from '../../../source-connector/packed-hash.ts';
import { openState } from '../../../source-connector/state/open.ts';
import type { StateStore } from '../../../source-connector/state/port.ts';

type StreamMutation = Exclude<Mutation, { kind: 'flush' | 'swap' }>;

/** Rows are the field `v`; a hash whose `v` is `bad` is rejected. */
class View implements RowView<string> {
  readonly name = 'people';
  readsExpiry = false;
  keepsAbsent = false;
  readonly fieldNames = [Buffer.from('v')];
  policies: Partial<Record<RemovalCause, RemovalPolicy>> = {};

  read(_key: Buffer, hash: Buffer, expireAt: number): RowReading<string> {
    const value = new Map(unpackHash(hash).map(([n, v]) => [n.toString(), v.toString()])).get('v') ?? 'null';
    if (value.startsWith('bad')) return { kind: 'rejected', digest: Buffer.from(value), problem: value };
    return { kind: 'row', row: Buffer.from(this.readsExpiry ? `${value} until ${expireAt}` : value) };
  }

  mappedFields(hash: Buffer): Buffer {
    return packHash(unpackHash(hash).filter(([n]) => n.toString() === 'v'));
  }

  policy(cause: RemovalCause): RemovalPolicy {
    return this.policies[cause] ?? (['deleted', 'vanished'].includes(cause) ? 'delete' : 'keep');
  }
}

/** Notes everything that fold puts out as short lines. */
class Notes implements FoldOutput<string, View> {
  lines: string[] = [];

  change({ op, db, key, before, after, command }: Change<View>): void {
    this.lines.push(`${op} ${db}/${key.toString()} ${String(before)} -> ${String(after)} by ${command}`);
  }

  rejected(_view: View, db: number, key: Buffer, _hash: Buffer, problem: string): void {
    this.lines.push(`rejected ${db}/${key.toString()} ${problem}`);
  }

  marked(_view: View, db: number, key: Buffer, mark: Buffer | null): void {
    this.lines.push(
      `mark ${db}/${key.toString()} ${mark === null ? 'gone' : `${mark.toString('latin1', 0, 1)}${mark.toString('latin1', 2)}`}`,
    );
  }

  removed(): void {
    // The change and the mark tell.
  }

  effect(): void {
    // There are no operations here.
  }

  take(): string[] {
    return this.lines.splice(0);
  }
}

const at = (command: string, notBefore = 0, notAfter = Infinity, evicted: 'yes' | 'no' | 'maybe' = 'no'): FoldTime => ({
  command,
  notBefore,
  notAfter,
  evicted: () => evicted,
});
const key = (name: string): Buffer => Buffer.from(name);
const hash = (v: string, more: [string, string][] = []): Buffer => packHash([['v', v], ...more]);

describe('Fold', () => {
  let folder: string;
  let state: StateStore;
  let notes: Notes;
  let view: View;
  let fold: Fold<string, View>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'afterwrite-fold-'));
    state = (await openState(folder, null)).store;
    notes = new Notes();
    view = new View();
    fold = new Fold({
      state,
      captures: (bytes, start, end) => bytes.toString('latin1', start, end).startsWith('p:'),
      viewOf: (db) => (db === 0 ? view : undefined),
      output: notes,
    });
  });

  afterEach(async () => {
    await state.close();
    await rm(folder, { recursive: true, force: true });
  });

  const apply = (mutation: StreamMutation, time: FoldTime = at('CMD')): ReturnType<typeof fold.apply> =>
    fold.apply(mutation, time);
  const set = (name: string, v: string, db = 0): void => {
    assert.equal(apply({ kind: 'set', db, key: key(name), fields: hash(v) }, at('HSET')), undefined);
  };
  const remove = (name: string, time = at('DEL')): void => {
    apply({ kind: 'remove', db: 0, key: key(name) }, time);
  };

  it('publishes real differences only, with the row before and after', () => {
    set('p:1', 'a');
    set('p:1', 'a');
    apply({ kind: 'set', db: 0, key: key('p:1'), fields: packHash([['unmapped', 'x']]) });
    set('p:1', 'b');
    assert.deepEqual(notes.take(), ['c 0/p:1 null -> a by HSET', 'u 0/p:1 a -> b by HSET']);
  });

  it('removes a row when its last field goes, mapped or not, and not before', () => {
    apply({ kind: 'set', db: 0, key: key('p:1'), fields: hash('a', [['other', 'x']]) }, at('HSET'));
    apply({ kind: 'unset', db: 0, key: key('p:1'), fields: [key('v')] }, at('HDEL'));
    apply({ kind: 'unset', db: 0, key: key('p:1'), fields: [key('other')] }, at('HDEL'));
    apply({ kind: 'unset', db: 0, key: key('p:1'), fields: [key('other')] }, at('HDEL'));
    assert.deepEqual(notes.take(), [
      'c 0/p:1 null -> a by HSET',
      'u 0/p:1 a -> null by HDEL',
      'd 0/p:1 null -> null by deleted',
    ]);
  });

  it('rule 5: a DEL is an expiry only when the TTL had provably passed, a delete only when it had provably not', () => {
    view.policies = { expired: 'delete', ambiguous: 'delete' };
    for (const [notBefore, notAfter] of [
      [1000, 2000],
      [500, 999],
      [999, 1000],
    ] as const) {
      set('p:1', 'a');
      apply({ kind: 'expire', db: 0, key: key('p:1'), expireAt: 1000 });
      remove('p:1', at('DEL', notBefore, notAfter));
    }
    assert.deepEqual(
      notes.take().filter((line) => line.startsWith('d ')),
      ['d 0/p:1 a -> null by expired', 'd 0/p:1 a -> null by deleted', 'd 0/p:1 a -> null by ambiguous'],
    );
  });

  it('rule 5: a DEL is an eviction, a delete, or ambiguous, as is proven, and an expiry before all of that', () => {
    view.policies = { expired: 'delete', evicted: 'delete', ambiguous: 'delete' };
    for (const [proven, expireAt, command] of [
      ['yes', 0, 'DEL'],
      ['no', 0, 'UNLINK'],
      ['maybe', 0, 'DEL'],
      ['yes', 3000, 'UNLINK'],
      ['maybe', 1000, 'DEL'],
      ['yes', 1500, 'DEL'],
      ['yes', 0, 'SET'],
    ] as const) {
      set('p:1', 'a');
      apply({ kind: 'expire', db: 0, key: key('p:1'), expireAt });
      remove('p:1', at(command, 1000, 2000, proven));
    }
    assert.deepEqual(
      notes.take().flatMap((line) => (line.startsWith('d ') ? [line.split(' by ')[1]] : [])),
      ['evicted', 'deleted', 'ambiguous', 'evicted', 'expired', 'ambiguous', 'deleted'],
    );
  });

  it('publishes another expiry where the row tells it, and nowhere else', () => {
    set('p:1', 'a');
    apply({ kind: 'expire', db: 0, key: key('p:1'), expireAt: 1000 }, at('PEXPIREAT'));
    assert.deepEqual(notes.take(), ['c 0/p:1 null -> a by HSET']);
    view.readsExpiry = true;
    set('p:2', 'a');
    for (const expireAt of [1000, 1000, 2000, 0]) {
      apply({ kind: 'expire', db: 0, key: key('p:2'), expireAt }, at('PEXPIREAT'));
    }
    apply({ kind: 'expire', db: 0, key: key('p:absent'), expireAt: 1000 });
    apply({ kind: 'expire', db: 1, key: key('p:2'), expireAt: 1000 });
    set('p:2', 'b');
    assert.deepEqual(notes.take(), [
      'c 0/p:2 null -> a until 0 by HSET',
      'u 0/p:2 a until 0 -> a until 1000 by PEXPIREAT',
      'u 0/p:2 a until 1000 -> a until 2000 by PEXPIREAT',
      'u 0/p:2 a until 2000 -> a until 0 by PEXPIREAT',
      'u 0/p:2 a until 0 -> b until 0 by HSET',
    ]);
  });

  it('tells a rejected hash once, whatever becomes of its expiry', () => {
    view.readsExpiry = true;
    set('p:1', 'bad');
    apply({ kind: 'expire', db: 0, key: key('p:1'), expireAt: 1000 });
    assert.deepEqual(notes.take(), ['rejected 0/p:1 bad', 'mark 0/p:1 rbad']);
    assert.equal(state.get(0, key('p:1'))?.expireAt, 1000);
    set('p:1', 'a');
    assert.deepEqual(notes.take(), ['c 0/p:1 null -> a until 1000 by HSET', 'mark 0/p:1 gone']);
  });

  it('rule 5: an overwrite is a delete whatever the TTL was, and PERSIST takes the TTL away', () => {
    set('p:1', 'a');
    apply({ kind: 'expire', db: 0, key: key('p:1'), expireAt: 1000 });
    remove('p:1', at('SET', 5000, 6000));
    set('p:2', 'a');
    apply({ kind: 'expire', db: 0, key: key('p:2'), expireAt: 1000 });
    apply({ kind: 'expire', db: 0, key: key('p:2'), expireAt: 0 });
    remove('p:2', at('DEL', 5000, 6000));
    assert.deepEqual(
      notes.take().filter((line) => line.startsWith('d ')),
      ['d 0/p:1 a -> null by deleted', 'd 0/p:2 a -> null by deleted'],
    );
  });

  it('keeps the row of an expired key, says so in a mark, and takes the mark away when the key is back', () => {
    set('p:1', 'a');
    apply({ kind: 'expire', db: 0, key: key('p:1'), expireAt: 1000 });
    remove('p:1', at('DEL', 2000, 2000));
    remove('p:1', at('DEL', 3000, 3000));
    set('p:1', 'a');
    set('p:1', 'b');
    assert.deepEqual(notes.take(), [
      'c 0/p:1 null -> a by HSET',
      'mark 0/p:1 kexpired',
      'mark 0/p:1 gone',
      'u 0/p:1 a -> b by HSET',
    ]);
  });

  it('keeps rows on a flush by default, and a flush done twice does nothing', () => {
    set('p:1', 'a');
    fold.flushed(0, key('p:1'));
    fold.flushed(0, key('p:1'));
    assert.deepEqual(notes.take(), ['c 0/p:1 null -> a by HSET', 'mark 0/p:1 kflushed']);
  });

  it('rejects a bad hash once, leaves the published row, and publishes when it is mended', () => {
    set('p:1', 'a');
    set('p:1', 'bad1');
    set('p:1', 'bad1');
    set('p:1', 'bad2');
    set('p:1', 'b');
    assert.deepEqual(notes.take(), [
      'c 0/p:1 null -> a by HSET',
      'rejected 0/p:1 bad1',
      'mark 0/p:1 rbad1',
      'rejected 0/p:1 bad2',
      'mark 0/p:1 rbad2',
      'u 0/p:1 a -> b by HSET',
      'mark 0/p:1 gone',
    ]);
  });

  it('carries a hash with its TTL through RENAME, COPY and MOVE, across databases', () => {
    set('p:1', 'a');
    apply({ kind: 'expire', db: 0, key: key('p:1'), expireAt: 1000 });
    apply({ kind: 'copy', fromDb: 0, from: key('p:1'), toDb: 0, to: key('p:2') }, at('COPY'));
    apply({ kind: 'rename', fromDb: 0, from: key('p:2'), toDb: 0, to: key('p:3') }, at('RENAME'));
    apply({ kind: 'rename', fromDb: 0, from: key('p:3'), toDb: 1, to: key('p:3') }, at('MOVE'));
    apply({ kind: 'rename', fromDb: 1, from: key('p:3'), toDb: 0, to: key('p:4') }, at('MOVE'));
    assert.equal(state.get(0, key('p:4'))?.expireAt, 1000);
    assert.deepEqual(notes.take().slice(1), [
      'c 0/p:2 null -> a by COPY',
      'd 0/p:2 a -> null by deleted',
      'c 0/p:3 null -> a by RENAME',
      'd 0/p:3 a -> null by deleted',
      'c 0/p:4 null -> a by MOVE',
    ]);
  });

  it('lets a key of another type overwrite a hash by RENAME', () => {
    set('p:1', 'a');
    apply({ kind: 'rename', fromDb: 0, from: key('p:string'), toDb: 0, to: key('p:1') }, at('RENAME'));
    assert.deepEqual(notes.take().slice(1), ['d 0/p:1 a -> null by deleted']);
  });

  it('rule 6: does not guess the value of a key that is not captured', () => {
    const unresolved = apply({ kind: 'rename', fromDb: 0, from: key('other'), toDb: 0, to: key('p:1') }, at('RENAME'));
    assert.equal(unresolved?.kind, 'unresolved');
    assert.deepEqual(notes.take(), []);
    assert.equal(
      apply({ kind: 'copy', fromDb: 0, from: key('other'), toDb: 0, to: key('else') }, at('COPY')),
      undefined,
    );
  });

  it('rule 6: does not guess what a command did that is not known', () => {
    set('p:1', 'a');
    notes.take();
    for (const name of ['p:1', 'p:absent', '']) {
      const unresolved = apply({ kind: 'unknown', db: 0, key: key(name) }, at('NEW.SET'));
      assert.equal(unresolved?.key.toString(), name);
      assert.match(unresolved.reason, /NEW.SET/);
    }
    assert.deepEqual(notes.take(), []);
  });

  it('rule 5: a relative time begins at the earliest moment that is proven, and a removal is not called a delete', () => {
    view.policies = { expired: 'delete', ambiguous: 'delete' };
    set('p:1', 'a');
    apply({ kind: 'expireIn', db: 0, key: key('p:1'), ms: 500 }, at('EXPIRE', 1000, 1300));
    apply({ kind: 'expireIn', db: 0, key: key('p:absent'), ms: 500 }, at('EXPIRE', 1000, 1300));
    assert.equal(state.get(0, key('p:1'))?.expireAt, 1500);
    assert.equal(state.get(0, key('p:absent')), undefined);
    remove('p:1', at('DEL', 1400, 1600));
    set('p:1', 'a');
    apply({ kind: 'expireIn', db: 0, key: key('p:1'), ms: 500 }, at('EXPIRE', 1000, 1300));
    remove('p:1', at('DEL', 1200, 1400));
    assert.deepEqual(
      notes.take().filter((line) => line.startsWith('d ')),
      ['d 0/p:1 a -> null by ambiguous', 'd 0/p:1 a -> null by deleted'],
    );
  });

  it('does not guess a relative time where the row tells it', () => {
    set('p:1', 'a');
    view.readsExpiry = true;
    const unresolved = apply({ kind: 'expireIn', db: 0, key: key('p:1'), ms: 500 }, at('EXPIRE', 1000, 1300));
    assert.match(unresolved?.reason ?? '', /EXPIRE with a relative time/);
    assert.equal(state.get(0, key('p:1'))?.expireAt, 0);
  });

  it('rule 6: does not guess the result of HINCRBY on what is no integer here', () => {
    set('p:1', 'text');
    assert.equal(apply({ kind: 'increment', db: 0, key: key('p:1'), field: key('v'), by: 1n })?.kind, 'unresolved');
  });

  it('swaps hashes between databases and leaves the published rows where they are', () => {
    set('p:1', 'a');
    set('p:1', 'b', 1);
    set('p:2', 'c', 1);
    notes.take();
    for (const name of ['p:1', 'p:2']) fold.swapped(0, 1, key(name), at('SWAPDB'));
    assert.deepEqual(notes.take(), ['u 0/p:1 a -> b by SWAPDB', 'c 0/p:2 null -> c by SWAPDB']);
    for (const name of ['p:1', 'p:2']) fold.swapped(0, 1, key(name), at('SWAPDB'));
    assert.deepEqual(notes.take(), ['u 0/p:1 b -> a by SWAPDB', 'd 0/p:2 c -> null by deleted']);
  });

  it('publishes of a snapshot what differs, and nothing of a hash that had expired before it was taken', () => {
    set('p:1', 'a');
    set('p:2', 'a');
    notes.take();
    fold.snapshotHash(0, key('p:1'), hash('a'), 0, 5000);
    fold.snapshotHash(0, key('p:2'), hash('b'), 0, 5000);
    fold.snapshotHash(0, key('p:3'), hash('c'), 0, 5000);
    fold.snapshotHash(0, key('p:4'), hash('d'), 4000, 5000);
    assert.deepEqual(notes.take(), ['u 0/p:2 a -> b by SNAPSHOT', 'r 0/p:3 null -> c by SNAPSHOT']);
    remove('p:4', at('DEL', 6000, 6000));
    assert.deepEqual(notes.take(), []);
  });

  it('tells a key that vanished from one whose TTL ran out meanwhile', () => {
    set('p:1', 'a');
    set('p:2', 'a');
    apply({ kind: 'expire', db: 0, key: key('p:2'), expireAt: 4000 });
    notes.take();
    for (const name of ['p:1', 'p:2']) fold.vanished(0, key(name), 5000);
    assert.deepEqual(notes.take(), ['d 0/p:1 a -> null by vanished', 'mark 0/p:2 kambiguous']);
  });
});
