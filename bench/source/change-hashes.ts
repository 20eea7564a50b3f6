import { rm } from 'node:fs/promises';
import { temporaryFolder } from '../../services/folders.ts';
import { encodeCommand } from '../../source-connector/capture/psync.ts';
import { CommandDecoder } from '../../source-connector/decode/stream.ts';
import { Fold } from '../../source-connector/fold/fold.ts';
import { PackedWriter } from '../../source-connector/packed-hash.ts';
import { Recorder } from '../../source-connector/record/recorder.ts';
import { createState } from '../../source-connector/state/open.ts';
import { viewOf } from '../../test/support/source/view.ts';
import { sampleMapping } from '../../test/support/mapping.ts';
import { changeHashesTask, type ChangeHashesResult, type ChangeHashesTask } from './change-task.ts';
import { scattered } from '../hashes.ts';

/** Changes of a batch. */
const batch = 5000;
const mapped = ['first_name', 'last_name', 'age'];
const fields = Object.fromEntries(
  mapped.map((column) => [column, { column, type: column === 'age' ? 'long' : 'string' }] as const),
);
const keyOf = (hash: number): string => `person:${hash}`;
const fieldOf = (field: number): string => mapped[field] ?? `field:${field}`;

const nothing = (): undefined => undefined;
const silent = { event: nothing, removal: nothing, rejected: nothing };

/**
 * Everything that the source does to a change but for Redis and Kafka: decode, fold, state with its log on disk, and the
 * event's bytes, which are thrown away.
 */
async function changeHashes(task: ChangeHashesTask, folder: string): Promise<ChangeHashesResult> {
  const { store } = await createState(folder);
  const view = viewOf(sampleMapping({ key: 'person:{id}', keyTypes: {}, fields, topic: 'person' }));
  const recorder = new Recorder({
    pipeline: 'bench',
    shard: 0,
    topics: { marks: 'marks', deadLetters: 'dead' },
    maxRecordBytes: 1024 * 1024,
    version: 0,
    batch: () => ({ append: nothing }),
    effect: nothing,
    news: silent,
  });
  const captures = (): boolean => true;
  const fold = new Fold({ state: store, captures, viewOf: () => view, output: recorder });
  for (let hash = 0; hash < task.hashes; hash++) {
    fold.snapshotHash(0, Buffer.from(keyOf(hash)), packedHash(task.fields), 0, 0);
    if (store.unsealedBytes > 1e7) await store.sync(store.seal());
  }
  await store.sync(store.seal());

  const decoder = new CommandDecoder({ captures, ignoreCommands: new Set(), offset: 0, db: 0 });
  const time = { notBefore: 0, notAfter: Infinity, evicted: () => 'no' as const };
  let micros = 0;
  let logBytes = 0;
  const change = async (from: number, count: number): Promise<void> => {
    for (let start = from; start < from + count; start += batch) {
      let commands = '';
      for (let i = start; i < start + batch; i++) {
        const unmapped = fieldOf(3 + (scattered(i, task.fields) % (task.fields - 3)));
        const key = keyOf(scattered(i, task.hashes));
        commands += encodeCommand(['HSET', key, 'last_name', `Lovelace${i}`, unmapped, `other ${i}`]);
      }
      const stream = Buffer.from(commands);
      const cpu = process.cpuUsage();
      for (let at = 0; at < stream.length; at += 65536) {
        decoder.push(stream.subarray(at, at + 65536));
        for (let command = decoder.next(); command !== undefined; command = decoder.next()) {
          recorder.offset = command.end;
          for (const mutation of command.mutations) {
            if (mutation.kind === 'set') fold.apply(mutation, { ...time, command: command.name });
          }
        }
      }
      const sealed = store.seal();
      logBytes += sealed.bytes;
      await store.sync(sealed);
      store.committed(sealed.tag.sequence);
      const { user, system } = process.cpuUsage(cpu);
      micros += user + system;
    }
  };
  await change(0, task.changes);
  [micros, logBytes] = [0, 0];
  await change(task.changes, task.changes);
  await store.close();
  return { micros: micros / task.changes, logBytes: logBytes / task.changes };
}

function packedHash(fieldCount: number): Buffer {
  const packed = new PackedWriter();
  for (let field = 0; field < fieldCount; field++) {
    for (const text of [fieldOf(field), field === 2 ? '36' : `value of ${field}`]) {
      const bytes = Buffer.from(text);
      packed.append(bytes, 0, bytes.length);
    }
  }
  return packed.view();
}

const [argument = ''] = process.argv.slice(2);
const folder = await temporaryFolder('bench');
try {
  process.stdout.write(`${JSON.stringify(await changeHashes(changeHashesTask.parse(JSON.parse(argument)), folder))}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
