import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type {
  Change,
  Effect,
  FoldOutput,
  FoldTime,
  RowReading,
  RowView,
} from '../../../source-connector/fold/change.ts';
import { Fold } from '../../../source-connector/fold/fold.ts';
import { OperationField, pendingEffect } from '../../../source-connector/operation.ts';
import { packHash, unpackHash } from '../../../source-connector/packed-hash.ts';
import { openState } from '../../../source-connector/state/open.ts';
import type { StateStore } from '../../../source-connector/state/port.ts';
import { Random, seedOfTest } from '../../support/random.ts';

/** Rows are the field `v`; a hash whose `v` is `bad` is rejected. */
class View implements RowView<string> {
  readonly name = 'people';
  readonly readsExpiry = false;
  keepsAbsent = false;
  readonly fieldNames = [Buffer.from('v')];
  readonly operations = {
    awaited: true,
    names: (key: Buffer) => !key.toString().includes('unnamed'),
    unknown: (value: Buffer) => `unknown ${value.toString()}`,
  };

  read(_key: Buffer, hash: Buffer): RowReading<string> {
    const value = valuesOf(hash).get('v') ?? 'null';
    if (value.startsWith('bad')) return { kind: 'rejected', digest: Buffer.from(value), problem: value };
    return { kind: 'row', row: Buffer.from(value) };
  }

  mappedFields(hash: Buffer): Buffer {
    return packHash(unpackHash(hash).filter(([n]) => n.toString() === 'v'));
  }

  policy(): 'delete' {
    return 'delete';
  }
}

function valuesOf(hash: Buffer): Map<string, string> {
  return new Map(unpackHash(hash).map(([n, v]) => [n.toString(), v.toString()]));
}

/** Notes everything that fold puts out as short lines. */
class Notes implements FoldOutput<string, View> {
  lines: string[] = [];
  effects: Effect[] = [];

  change({ op, key, after, acknowledge = null }: Change<View>): void {
    const waiting = acknowledge === null ? '' : ` for ${acknowledge.toString()}`;
    this.lines.push(`${op} ${key.toString()} ${String(after)}${waiting}`);
  }

  rejected(_view: View, _db: number, key: Buffer, _hash: unknown, problem: string): void {
    this.lines.push(`rejected ${key.toString()} ${problem}`);
  }

  marked(_view: View, _db: number, key: Buffer, mark: Buffer | null): void {
    this.lines.push(`mark ${key.toString()} ${mark === null ? 'gone' : mark.toString('latin1', 0, 1)}`);
  }

  removed(): void {
    // The change and the mark tell.
  }

  effect(_view: View, effect: Effect, problem?: string): void {
    this.effects.push(effect);
    const what = `${effect.removes ? 'DEL' : 'HDEL'} ${effect.key.toString()} ${effect.value?.toString()}`;
    const id = effect.id === null ? [] : [`${effect.failed ? 'failed' : 'done'} ${effect.id.toString()}`];
    const more = [effect.hash === null ? [] : ['this hash'], id, effect.again ? ['again'] : []].flat();
    this.lines.push([what, ...more, ...(problem === undefined ? [] : [problem])].join(', '));
  }

  take(): string[] {
    return this.lines.splice(0);
  }
}

const time: FoldTime = { command: 'HSET', notBefore: 0, notAfter: Infinity, evicted: () => 'no' };
const key = Buffer.from('p:1');

describe('rule 22: operations', () => {
  let folder: string;
  let state: StateStore;
  let notes: Notes;
  let view: View;
  let fold: Fold<string, View>;

  const begin = async (): Promise<void> => {
    folder = await mkdtemp(join(tmpdir(), 'afterwrite-operations-'));
    state = (await openState(folder, null)).store;
    notes = new Notes();
    view = new View();
    fold = new Fold({ state, captures: () => true, viewOf: (db) => (db === 0 ? view : undefined), output: notes });
  };
  const end = async (): Promise<void> => {
    await state.close();
    await rm(folder, { recursive: true, force: true });
  };
  beforeEach(begin);
  afterEach(end);

  const set = (fields: Record<string, string>, of = key): string[] => {
    fold.apply({ kind: 'set', db: 0, key: of, fields: packHash(Object.entries(fields)) }, time);
    return notes.take();
  };
  const unset = (...fields: string[]): string[] => {
    fold.apply({ kind: 'unset', db: 0, key, fields: fields.map((one) => Buffer.from(one)) }, time);
    return notes.take();
  };
  const remove = (): string[] => {
    fold.apply({ kind: 'remove', db: 0, key }, time);
    return notes.take();
  };
  const found = (fields: Record<string, string>): string[] => {
    fold.snapshotHash(0, key, packHash(Object.entries(fields)), 0, 0);
    return notes.take();
  };

  it('= publishes, and with an id it does so even when the row is the same', () => {
    assert.deepEqual(set({ '#': '=', v: 'a' }), ['c p:1 a', 'HDEL p:1 =']);
    assert.deepEqual(unset('#'), []);
    assert.deepEqual(set({ '#': '=id1', v: 'a' }), ['u p:1 a for id1', 'HDEL p:1 =id1']);
    // No operation is said again.
    assert.deepEqual(set({ v: 'b' }), ['u p:1 b']);
    assert.deepEqual(unset('#'), []);
    assert.deepEqual(set({ '#': '=id2', v: 'bad' }), [
      'rejected p:1 bad',
      'mark p:1 r',
      'HDEL p:1 =id2, failed id2, bad',
    ]);
    assert.deepEqual(set({ '#': '=id3' }), ['HDEL p:1 =id3, failed id3, bad']);
  });

  it('+ publishes nothing, wherever the hash is found again, until another command changes it', () => {
    assert.deepEqual(set({ v: 'a' }), ['c p:1 a']);
    assert.deepEqual(set({ '#': '+id', v: 'b' }), ['mark p:1 u', 'HDEL p:1 +id, done id']);
    // Found before its field is gone, and after that; with its fields in another order.
    assert.deepEqual(found({ v: 'b', '#': '+id' }), ['HDEL p:1 +id, done id, again']);
    assert.deepEqual(unset('#'), []);
    assert.deepEqual(found({ v: 'b' }), []);
    assert.deepEqual(set({ v: 'b' }), []);
    assert.deepEqual(set({ '#': '+', w: 'x' }), ['mark p:1 u', 'HDEL p:1 +']);
    assert.deepEqual(unset('#'), []);
    assert.deepEqual(set({ w: 'y' }), ['u p:1 b', 'mark p:1 gone']);
    assert.deepEqual(set({ '#': '+', v: 'c' }), ['mark p:1 u', 'HDEL p:1 +']);
    assert.deepEqual(set({ '#': '=', v: 'c' }), ['u p:1 c', 'mark p:1 gone', 'HDEL p:1 =']);
  });

  it('~ deletes the row at once, and the removal that follows tells nothing', () => {
    set({ v: 'a' });
    assert.deepEqual(set({ '#': '~id' }), ['d p:1 null for id', 'DEL p:1 ~id, this hash']);
    assert.deepEqual(found({ '#': '~id', v: 'a' }), ['DEL p:1 ~id, this hash, again']);
    assert.deepEqual(remove(), []);
    assert.equal(state.get(0, key), undefined);
    // Without a row nothing is deleted, unless somebody waits for it.
    assert.deepEqual(set({ '#': '~' }), ['DEL p:1 ~, this hash']);
    assert.deepEqual(set({ '#': '~id2' }), ['d p:1 null for id2', 'DEL p:1 ~id2, this hash']);
    assert.deepEqual(set({ '#': '~id3' }, Buffer.from('unnamed')), ['DEL unnamed ~id3, this hash, done id3']);
  });

  it('- keeps the row, though the hash is removed', () => {
    set({ v: 'a' });
    assert.deepEqual(set({ '#': '-id', v: 'b' }), ['mark p:1 k', 'DEL p:1 -id, this hash, done id']);
    assert.deepEqual(found({ '#': '-id', v: 'b' }), ['DEL p:1 -id, this hash, done id, again']);
    assert.deepEqual(remove(), []);
    assert.equal(String(state.get(0, key)?.published), 'a');
    assert.deepEqual(set({ v: 'a' }), ['mark p:1 gone']);
    assert.deepEqual(remove(), ['d p:1 null']);
    assert.deepEqual(set({ '#': '-', v: 'b' }), ['DEL p:1 -, this hash']);
    assert.deepEqual(remove(), []);
  });

  it('a hash that is written before it was removed is a hash again, and its field goes', () => {
    for (const operation of ['~', '-']) {
      set({ v: 'a' });
      set({ '#': operation, v: 'a' });
      const told = operation === '~' ? ['c p:1 b'] : ['u p:1 b', 'mark p:1 gone'];
      assert.deepEqual(set({ v: 'b' }), [...told, `HDEL p:1 ${operation}, this hash`]);
      assert.deepEqual(unset('#'), []);
      assert.deepEqual(remove(), ['d p:1 null']);
    }
  });

  it('a hash that is moved was told of already, and one from elsewhere has its operation before it', () => {
    set({ '#': '~id', v: 'a' });
    fold.apply({ kind: 'rename', fromDb: 0, from: key, toDb: 0, to: Buffer.from('p:2') }, time);
    assert.deepEqual(notes.take(), ['c p:2 a', 'HDEL p:2 ~id, this hash']);
    fold.apply({ kind: 'set', db: 1, key, fields: packHash([['#', '=id2']]) }, time);
    fold.apply({ kind: 'copy', fromDb: 1, from: key, toDb: 0, to: key }, time);
    assert.deepEqual(notes.take(), ['c p:1 null for id2', 'HDEL p:1 =id2']);
  });

  it('what is no operation is a dead letter, and the hash is not published for it', () => {
    for (const [value, more] of [
      ['?id', ', failed id'],
      ['', ''],
      [`=${'x'.repeat(256)}`, ''],
    ] as const) {
      const [rejected, mark, effect] = set({ '#': value, v: value });
      assert.deepEqual(
        [rejected, mark, effect],
        [`rejected p:1 unknown ${value}`, 'mark p:1 u', `HDEL p:1 ${value}${more}, unknown ${value}`],
      );
      assert.deepEqual(unset('#'), []);
    }
    assert.deepEqual(set({ v: 'a' }), ['c p:1 a', 'mark p:1 gone']);
  });

  it('absentFields: keep: what a row had is remembered while its hash is not published', () => {
    view.keepsAbsent = true;
    set({ v: 'a', w: '1' });
    set({ '#': '-', v: 'a' });
    remove();
    assert.deepEqual(set({ '#': '+', w: '2' }), ['mark p:1 U', 'HDEL p:1 +']);
    unset('#');
    assert.deepEqual(set({ w: '3' }), ['mark p:1 i']);
    assert.deepEqual(set({ v: 'b' }), ['u p:1 b', 'mark p:1 gone']);
  });

  it('any course of commands and effects ends with rows as their operations say, whatever an effect finds', async () => {
    const seed = seedOfTest();
    for (let round = 0; round < 200; round++) {
      const random = new Random(seed + round);
      await end();
      await begin();
      const where = `seed ${seed + round}`;
      // What Redis holds, what the row should be, and what is not published: the hash at the last + .
      let redis: Map<string, string> | undefined;
      let row: string | undefined;
      let withheld: string | undefined;
      // Whether nothing has come since a ~ or - .
      let leaves = false;
      const rows = new Map<string, string>();
      const follow = (lines: string[]): void => {
        for (const line of lines) {
          const [op = '', , value = ''] = line.split(' ');
          if ('cu'.includes(op)) rows.set('row', value);
          if (op === 'd') rows.delete('row');
        }
      };
      const carryOut = (): void => {
        const effect = notes.effects.shift();
        if (effect === undefined || redis === undefined) return;
        const { hash, value } = effect;
        if (hash === null ? redis.get('#') !== value?.toString() : !sameHash(valuesOf(hash), redis)) return;
        if (effect.removes) {
          // Written again as it was: it is removed all the same, and its row with it.
          if (!leaves) row = undefined;
          [redis, withheld] = [undefined, undefined];
          follow(remove());
        } else {
          redis.delete('#');
          follow(unset('#'));
          if (redis.size === 0) [redis, row] = [undefined, undefined];
        }
      };
      const trace: string[] = [];
      for (let step = 0; step < 12; step++) {
        if (random.chance(0.3)) {
          trace.push('effect');
          carryOut();
          continue;
        }
        const fields: Record<string, string> = { v: random.pick(['a', 'b']) };
        if (random.chance(0.5)) fields['w'] = random.pick(['x', 'y']);
        const operation = random.pick(['', '', '=', '+', '~', '-']);
        if (operation !== '') fields['#'] = `${operation}${random.chance(0.5) ? `id${step}` : ''}`;
        trace.push(JSON.stringify(fields));
        const before = redis;
        redis = new Map([...(redis ?? []), ...Object.entries(fields)]);
        follow(set(fields));
        const content = contentOf(redis);
        const isUnchanged = operation === '' && before !== undefined && contentOf(before) === content;
        const waits = isUnchanged && /^[~-]/.test(before.get('#') ?? '') && withheld === content;
        leaves = operation === '' ? leaves && waits : operation === '~' || operation === '-';
        if (operation === '=' || (operation === '' && withheld !== content && !waits))
          [row, withheld] = [redis.get('v'), undefined];
        else if (operation !== '') {
          withheld = content;
          if (operation === '~') row = undefined;
        }
      }
      while (notes.effects.length > 0) carryOut();
      assert.equal(rows.get('row'), row, `${where}: ${trace.join(' ')}`);
      assert.equal(redis?.has('#') ?? false, false, `${where}: a field # is left: ${trace.join(' ')}`);
      const now = state.get(0, key);
      const current = now?.current ?? null;
      assert.deepEqual(Buffer.isBuffer(current) ? valuesOf(current) : undefined, redis, where);
      const value = Buffer.isBuffer(current) ? new OperationField().of(current) : undefined;
      assert.equal(now && pendingEffect(0, key, now, value, true), undefined, where);
    }
  });
});

function contentOf(hash: ReadonlyMap<string, string>): string {
  return JSON.stringify([...hash].filter(([name]) => name !== '#').sort());
}

function sameHash(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
