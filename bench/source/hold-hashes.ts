import { rm } from 'node:fs/promises';
import { temporaryFolder } from '../../services/folders.ts';
import { Fold } from '../../source-connector/fold/fold.ts';
import { packHash } from '../../source-connector/packed-hash.ts';
import { createState } from '../../source-connector/state/open.ts';
import { sampleMapping } from '../../test/support/mapping.ts';
import { viewOf } from '../../test/support/source/view.ts';
import { holdHashesTask, type HoldHashesResult } from './hold-task.ts';

/** Sealed, so that the process has nothing but the state. */
const batchBytes = 16 * 1024 * 1024;

/** Folds a snapshot of small hashes into a state, and looks at the heap. Needs --expose-gc. */
async function holdHashes(hashes: number, folder: string): Promise<HoldHashesResult> {
  const { store } = await createState(folder);
  const fields = { first_name: 'string', last_name: 'string', age: 'int' } as const;
  const columns = Object.entries(fields).map(([column, type]) => [column, { column, type }] as const);
  const view = viewOf(sampleMapping({ key: 'person:{id}', keyTypes: {}, fields: Object.fromEntries(columns) }));
  let held = 0;
  const nothing = (): undefined => undefined;
  const fold = new Fold({
    state: store,
    captures: () => true,
    viewOf: () => view,
    output: {
      change: ({ after }) => {
        held += after?.length ?? 0;
      },
      rejected: nothing,
      marked: nothing,
      effect: () => undefined,
      removed: nothing,
    },
  });
  const before = heap();
  for (let i = 0; i < hashes; i++) {
    const key = Buffer.from(`person:${i}`);
    const names = [`Ada${i % 977}`, `Lovelace${i % 9973}`] as const;
    const hash = packHash([
      ['first_name', names[0]],
      ['last_name', names[1]],
      ['age', String(18 + (i % 80))],
    ]);
    held += key.length + hash.length;
    fold.snapshotHash(0, key, hash, 0, 0);
    if (store.unsealedBytes > batchBytes) await store.sync(store.seal());
  }
  await store.sync(store.seal());
  const state = heap() - before;
  // A full resync over a full state, in the middle: the census is largest at its beginning, and shrinks.
  const census = store.census();
  for (let i = 0; i < hashes / 2; i++) census.crossOff(0, Buffer.from(`person:${i}`));
  const counted = heap() - before - state;
  census.has(0, Buffer.from('person:0'));
  await store.close();
  return { state: state / hashes, held: held / hashes, census: counted / hashes };
}

function heap(): number {
  if (global.gc === undefined) throw new Error('run this with --expose-gc');
  global.gc();
  return process.memoryUsage().heapUsed;
}

const [argument = ''] = process.argv.slice(2);
const folder = await temporaryFolder('bench');
try {
  const { hashes } = holdHashesTask.parse(JSON.parse(argument));
  process.stdout.write(`${JSON.stringify(await holdHashes(hashes, folder))}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
