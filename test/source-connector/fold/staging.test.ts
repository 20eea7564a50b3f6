import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Change, FoldOutput, FoldTime, RowReading, RowView } from '../../../source-connector/fold/change.ts';
import { Fold } from '../../../source-connector/fold/fold.ts';
import { StagedWrites } from '../../../source-connector/fold/staged-writes.ts';
import { packHash, unpackHash } from '../../../source-connector/packed-hash.ts';
import { STAGED, type PendingWrite } from '../../../source-connector/pending-write.ts';
import { verdictKeyOf } from '../../../source-connector/staged-key.ts';
import { openState } from '../../../source-connector/state/open.ts';
import type { StateStore } from '../../../source-connector/state/port.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMED = Buffer.from('person:1');
const UNREAD = Buffer.from('person:unread');
const STAGING = Buffer.from('__{person:1}');

/** Rows are the whole hash; one with a field `bad` is rejected. */
class View implements RowView<string> {
  readonly name = 'person';
  readonly readsExpiry = false;
  readonly keepsAbsent = false;
  readonly fieldNames = 'all';

  read(_key: Buffer, hash: Buffer): RowReading<string> {
    const fields = unpackHash(hash).map(([name, value]) => `${name.toString()}=${value.toString()}`);
    if (fields.some((field) => field.startsWith('bad'))) {
      return { kind: 'rejected', digest: Buffer.from('bad'), problem: 'it is bad' };
    }
    return { kind: 'row', row: Buffer.from(fields.sort().join(',')) };
  }

  mappedFields(hash: Buffer): Buffer {
    return hash;
  }

  policy(): 'delete' {
    return 'delete';
  }
}

const at = (command: string): FoldTime => ({ command, notBefore: 0, notAfter: Infinity, evicted: () => 'no' });

/** What fold puts out, as short lines. */
class Notes implements FoldOutput<string, View> {
  lines: string[] = [];

  change({ op, before, after, acknowledge }: Change<View>): void {
    const asked = acknowledge == null ? '' : ` asks ${acknowledge.toString()}`;
    this.lines.push(`${op} ${String(before)} -> ${String(after)}${asked}`);
  }

  rejected(): void {
    this.lines.push('rejected');
  }

  marked(_view: View, _db: number, key: Buffer, mark: Buffer | null): void {
    this.lines.push(`${mark === null ? 'unmark' : 'mark'} ${key.toString()}`);
  }

  removed(): void {
    // The change tells.
  }

  effect(): void {
    // Nothing of this asks for one.
  }

  take(): string[] {
    return this.lines.splice(0);
  }
}

describe('rule 23: staged writes in the fold', () => {
  let state: StateStore;
  let writes: StagedWrites;
  let notes: Notes;
  let fold: Fold<string, View>;
  let numbering: { at: number; version: number; raiseVersion(version: number): void };

  /** A life over the state. */
  const live = (): void => {
    writes = new StagedWrites(state, [0]);
    notes = new Notes();
    const view = new View();
    const viewOf = (db: number, key: Buffer): View | undefined =>
      db === 0 && key.toString().startsWith('person:') ? view : undefined;
    fold = new Fold({
      state,
      captures: (bytes, start, end) => bytes.toString('latin1', start, end).startsWith('person:'),
      viewOf,
      output: notes,
      through: {
        writes,
        numbering,
        fits: () => true,
        describe: (problem) => problem,
        isUnread: (_, key) => key.equals(UNREAD),
      },
    });
  };
  const hset = (key: Buffer, fields: Record<string, string>): string[] => {
    fold.apply({ kind: 'set', db: 0, key, fields: packHash(Object.entries(fields)) }, at('HSET'));
    return notes.take();
  };
  const pending = (): PendingWrite[] => [...writes.of(0, NAMED)];
  /** What the script of a verdict does to the verdict. */
  const decide = (number: number, verdict: 'done' | 'failed'): string[] =>
    hset(verdictKeyOf(NAMED, number), { verdict });

  beforeEach(async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-staging-'));
    state = (await openState(folder, null)).store;
    numbering = {
      at: 1,
      version: 0,
      raiseVersion(version) {
        numbering.version = Math.max(numbering.version, version);
      },
    };
    live();
    if ('after' in t) {
      t.after(async () => {
        await state.close();
        await rm(folder, { recursive: true });
      });
    }
  });

  it('publishes the staged fields over the hash, in any case, and asks for a report', () => {
    hset(NAMED, { name: 'Ann', age: '30' });
    assert.deepEqual(hset(STAGING, { name: 'Bea', '#': '=a' }), [
      'mark __{person:1}#1000',
      'u age=30,name=Ann -> age=30,name=Bea asks afterwrite:1000',
    ]);
    assert.deepEqual(hset(STAGING, { name: 'Bea' }), [
      'mark __{person:1}#1001',
      'u age=30,name=Bea -> age=30,name=Bea asks afterwrite:1001',
    ]);
    assert.deepEqual(
      pending().map(({ operation, id, error }) => [operation, id.toString(), error]),
      [
        ['=', 'a', ''],
        ['=', '', ''],
      ],
    );
    assert.equal(state.get(0, STAGING), undefined);
    assert.deepEqual(state.databases(), [0]);
  });

  it('says nothing of what the script of a done write does', () => {
    assert.deepEqual(hset(STAGING, { name: 'Bea', '#': '=a' }), [
      'mark __{person:1}#1000',
      'c null -> name=Bea asks afterwrite:1000',
    ]);
    assert.deepEqual(hset(NAMED, { name: 'Bea' }), []);
    assert.deepEqual(decide(1000, 'done'), ['unmark __{person:1}#1000']);
    assert.deepEqual(pending(), []);
    assert.equal(state.count(STAGED), 0);
    assert.deepEqual(decide(1000, 'done'), [], 'once');
  });

  it('compensates a failed write with the row of the hash, or with a delete', () => {
    hset(NAMED, { name: 'Ann' });
    hset(STAGING, { name: 'Bea' });
    assert.deepEqual(decide(1000, 'failed'), ['unmark __{person:1}#1000', 'u name=Bea -> name=Ann']);
    fold.apply({ kind: 'remove', db: 0, key: NAMED }, at('DEL'));
    notes.take();
    hset(STAGING, { name: 'Cid' });
    assert.deepEqual(decide(1001, 'failed'), ['unmark __{person:1}#1001', 'd name=Cid -> null']);
    assert.equal(state.get(0, NAMED), undefined);
  });

  it('lays what is pending over every event of the key', () => {
    hset(NAMED, { name: 'Ann', age: '30' });
    hset(STAGING, { name: 'Bea' });
    assert.deepEqual(hset(NAMED, { name: 'Cid', age: '31' }), ['u age=30,name=Bea -> age=31,name=Bea']);
    hset(STAGING, { age: '99' });
    assert.deepEqual(decide(1000, 'failed'), ['unmark __{person:1}#1000', 'u age=99,name=Bea -> age=99,name=Cid']);
    fold.apply({ kind: 'remove', db: 0, key: NAMED }, at('DEL'));
    assert.deepEqual(notes.take(), ['u age=99,name=Cid -> age=99']);
    assert.deepEqual(decide(1001, 'failed'), ['unmark __{person:1}#1001', 'd age=99 -> null']);
  });

  it('deletes a row, and publishes it again where the hash is another one or the delete fails', () => {
    assert.deepEqual(hset(STAGING, { '#': '~a' }), ['mark __{person:1}#1000', 'd null -> null asks afterwrite:1000']);
    assert.deepEqual(decide(1000, 'done'), ['unmark __{person:1}#1000'], 'without a hash');
    hset(NAMED, { name: 'Ann' });
    assert.deepEqual(hset(STAGING, { '#': '~a' }), [
      'mark __{person:1}#1001',
      'd name=Ann -> null asks afterwrite:1001',
    ]);
    fold.snapshotHash(0, NAMED, packHash([['name', 'Ann']]), 0, 0);
    assert.deepEqual(notes.take(), [], 'the very hash that is to be deleted');
    assert.deepEqual(hset(NAMED, { age: '1' }), ['c null -> age=1,name=Ann']);
    assert.deepEqual(decide(1001, 'failed'), ['unmark __{person:1}#1001']);
    hset(STAGING, { '#': '~' });
    assert.deepEqual(decide(1002, 'failed'), ['unmark __{person:1}#1002', 'c null -> age=1,name=Ann']);
  });

  it('has writes of + and -, and those that cannot be rows, ask nobody', () => {
    hset(NAMED, { name: 'Ann' });
    for (const fields of [{ age: '1', '#': '+a' }, { '#': '-' }, { bad: '1', '#': '=b' }, { '#': '' }, { '#': '?c' }]) {
      assert.deepEqual(hset(STAGING, { ...fields }).length, 1, 'a mark only');
    }
    assert.deepEqual(
      pending().map(({ operation, error }) => `${operation}${error}`),
      ['+', '-', '=it is bad', '=the field # is empty', '="?" is no operation'],
    );
    assert.deepEqual(hset(NAMED, { name: 'Bea' }), ['u name=Ann -> name=Bea'], 'none of them lies over the hash');
    assert.deepEqual(hset(Buffer.from('__{person:unread}'), { name: 'Bea' }).length, 1, 'rule 8');
    assert.equal(writes.of(0, UNREAD)[0]?.error, 'the hash has yet to be read: try again');
  });

  it('knows what is pending in the next life, and what of a found staging key is new', () => {
    hset(NAMED, { name: 'Ann' });
    hset(STAGING, { name: 'Bea', age: '1', '#': '=a' });
    live();
    assert.deepEqual(
      pending().map(({ number, id, token, fields }) => [
        number,
        id.toString(),
        String(token),
        unpackHash(fields).length,
      ]),
      [[1000, 'a', '=a', 2]],
    );
    const found = (fields: Record<string, string>): string[] => {
      fold.snapshotHash(0, STAGING, packHash(Object.entries(fields)), 0, 0);
      return notes.take();
    };
    assert.deepEqual(found({ name: 'Bea', age: '1', '#': '=a' }), []);
    assert.deepEqual(found({ name: 'Cid', age: '1', '#': '=b' }), [
      'mark __{person:1}#1001',
      'u age=1,name=Bea -> age=1,name=Cid asks afterwrite:1001',
    ]);
    assert.equal(String(pending()[1]?.token), '=b');
    fold.snapshotHash(0, verdictKeyOf(NAMED, 1000), packHash([['verdict', 'failed']]), 0, 0);
    assert.deepEqual(notes.take(), ['unmark __{person:1}#1000', 'u age=1,name=Cid -> name=Cid']);
  });
});
