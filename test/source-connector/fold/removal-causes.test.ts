import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FoldTime, RemovalCause, RemovalPolicy } from '../../../source-connector/fold/change.ts';
import { Fold } from '../../../source-connector/fold/fold.ts';
import { keptMark } from '../../../source-connector/mark.ts';
import { packHash } from '../../../source-connector/packed-hash.ts';
import type { MappingView, RowProblem } from '../../../source-connector/record/mapping-view.ts';
import { createState } from '../../../source-connector/state/open.ts';
import { sampleMapping } from '../../support/mapping.ts';
import { viewOf } from '../../support/source/view.ts';

const causes = ['deleted', 'expired', 'evicted', 'flushed', 'vanished', 'ambiguous'] as const;
const policies = ['delete', 'keep'] as const;
const KEY = Buffer.from('sample:eu:1');
const END = 1000;

type Folding = Fold<RowProblem, MappingView>;

function at(command: string, more: Partial<FoldTime> = {}): FoldTime {
  return { command, notBefore: 0, notAfter: Infinity, evicted: () => 'no', ...more };
}
const remove = { kind: 'remove', db: 0, key: KEY } as const;

/** Ways in which a hash goes, by the cause that each of them has; `expires` says that the key had a TTL, which ends at END. */
const ways: readonly { cause: RemovalCause; name: string; expires?: boolean; go: (fold: Folding) => void }[] = [
  { cause: 'deleted', name: 'DEL', go: (fold) => fold.apply(remove, at('DEL')) },
  { cause: 'deleted', name: 'UNLINK', go: (fold) => fold.apply(remove, at('UNLINK')) },
  {
    cause: 'deleted',
    name: 'DEL before the TTL ends',
    expires: true,
    go: (fold) => fold.apply(remove, at('DEL', { notAfter: END - 1 })),
  },
  {
    cause: 'deleted',
    name: 'an overwrite, whatever the time',
    expires: true,
    go: (fold) => fold.apply(remove, at('SET', { notBefore: END, evicted: () => 'maybe' })),
  },
  {
    cause: 'deleted',
    name: 'HDEL of the last fields',
    go: (fold) => fold.apply({ kind: 'unset', db: 0, key: KEY, fields: [Buffer.from('text')] }, at('HDEL')),
  },
  {
    cause: 'deleted',
    name: 'RENAME away',
    go: (fold) =>
      fold.apply({ kind: 'rename', fromDb: 0, from: KEY, toDb: 0, to: Buffer.from('outside') }, at('RENAME')),
  },
  {
    cause: 'deleted',
    name: 'MOVE to a database that is not mapped',
    go: (fold) => fold.apply({ kind: 'rename', fromDb: 0, from: KEY, toDb: 1, to: KEY }, at('MOVE')),
  },
  {
    cause: 'expired',
    name: 'DEL when the TTL is over for certain',
    expires: true,
    go: (fold) => fold.apply(remove, at('DEL', { notBefore: END, evicted: () => 'yes' })),
  },
  {
    cause: 'evicted',
    name: 'DEL of an eviction',
    go: (fold) => fold.apply(remove, at('DEL', { evicted: () => 'yes' })),
  },
  {
    cause: 'evicted',
    name: 'UNLINK of an eviction before the TTL ends',
    expires: true,
    go: (fold) => fold.apply(remove, at('UNLINK', { notAfter: END - 1, evicted: () => 'yes' })),
  },
  {
    cause: 'flushed',
    name: 'FLUSHALL',
    expires: true,
    go: (fold) => {
      fold.flushed(0, KEY);
    },
  },
  {
    cause: 'vanished',
    name: 'missing from a snapshot',
    go: (fold) => {
      fold.vanished(0, KEY, END);
    },
  },
  {
    cause: 'vanished',
    name: 'missing from a snapshot before the TTL ends',
    expires: true,
    go: (fold) => {
      fold.vanished(0, KEY, END - 1);
    },
  },
  {
    cause: 'ambiguous',
    name: 'missing from a snapshot when the TTL is over',
    expires: true,
    go: (fold) => {
      fold.vanished(0, KEY, END);
    },
  },
  {
    cause: 'ambiguous',
    name: 'DEL when the TTL may be over',
    expires: true,
    go: (fold) => fold.apply(remove, at('DEL', { notBefore: END - 1, notAfter: END })),
  },
  {
    cause: 'ambiguous',
    name: 'DEL that may be an eviction',
    go: (fold) => fold.apply(remove, at('DEL', { evicted: () => 'maybe' })),
  },
];

/** A published hash of one field, whose cause alone has this policy, and every other one the opposite. */
async function published(t: TestContext, cause: RemovalCause, policy: RemovalPolicy, expires: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-causes-'));
  const { store } = await createState(folder);
  t.after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  const other: RemovalPolicy = policy === 'delete' ? 'keep' : 'delete';
  const removals = {
    deleted: other,
    expired: other,
    evicted: other,
    flushed: other,
    vanished: other,
    ambiguous: other,
  };
  const view = viewOf(sampleMapping({ keyTypes: {}, removals: { ...removals, [cause]: policy } }));
  const notes: string[] = [];
  const fold: Folding = new Fold<RowProblem, MappingView>({
    state: store,
    captures: (bytes, start) => bytes[start] === KEY[0],
    viewOf: (db) => (db === 0 ? view : undefined),
    output: {
      change: ({ op, command }) => notes.push(`${op} ${command}`),
      rejected: () => notes.push('rejected'),
      marked: (_view, _db, _key, mark) => notes.push(mark === null ? 'unmarked' : `marked ${String(mark)}`),
      effect: () => undefined,
      removed: (_view, removal) => notes.push(`${removal.cause}: ${removal.policy}`),
    },
  });
  const set = (): void => {
    fold.apply({ kind: 'set', db: 0, key: KEY, fields: packHash([['text', 'a']]) }, at('HSET'));
  };
  set();
  if (expires) fold.apply({ kind: 'expire', db: 0, key: KEY, expireAt: END }, at('PEXPIREAT'));
  assert.deepEqual(notes.splice(0), ['c HSET']);
  return { store, fold, set, take: () => notes.splice(0) };
}

for (const { cause, name, expires = false, go } of ways) {
  for (const policy of policies) {
    test(`rule 5: ${name} is \`${cause}\`, and the row is ${policy === 'keep' ? 'kept' : 'deleted'} by the policy of that cause alone`, async (t) => {
      const { store, fold, set, take } = await published(t, cause, policy, expires);
      go(fold);
      const mark = keptMark(cause);
      if (policy === 'delete') {
        assert.deepEqual(take(), [`${cause}: delete`, `d ${cause}`]);
        assert.equal(store.get(0, KEY), undefined);
      } else {
        assert.deepEqual(take(), [`${cause}: keep`, `marked ${String(mark)}`]);
        const entry = store.get(0, KEY);
        assert.deepEqual([entry?.current, entry?.expireAt, entry?.mark], [null, 0, mark]);
        assert.ok(entry?.published != null, 'the row stands');
      }
      // What is gone cannot go again, by whatever cause.
      for (const again of ways) if (!again.name.startsWith('MOVE')) again.go(fold);
      assert.deepEqual(take(), []);
      set();
      assert.deepEqual(take(), policy === 'delete' ? ['c HSET'] : ['unmarked']);
    });
  }
}

test('each cause has a way here', () => {
  assert.deepEqual(new Set(ways.map(({ cause }) => cause)), new Set(causes));
});
