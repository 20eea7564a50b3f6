import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyHashes } from '../../../sink-connector/orphans/key-hashes.ts';
import {
  firstKeySchemaId,
  keyFrame,
  readLiveKeys,
  type KeyedPartition,
  type LogReader,
} from '../../../sink-connector/orphans/live-keys.ts';
import type { CommittedPage } from '../../../clients/kafka/index.ts';
import { KeyEncoder } from '../../../schemas/index.ts';
import { RecordList } from '../../../clients/kafka/record-list.ts';
import { Random, seedOfTest } from '../../support/random.ts';
import { recordBytes } from '../../support/record-batch.ts';

const place: KeyedPartition = { topic: 'shop.person', partition: 0, partitions: 1, keySchemaId: 7 };
const retry = { signal: new AbortController().signal };
const encoder = new KeyEncoder({ keyColumns: [{ name: 'id', type: 'string' }] }, 7);
const keyOf = (name: string): Buffer => encoder.encode([Buffer.from(name)]);

/** The log of a partition as a broker keeps it: it is written to, and compacted, between two answers. */
class CompactedLog implements LogReader {
  /** Keys by their offsets; no record of an offset that compaction has passed over. */
  readonly records = new Map<number, Buffer>();
  end = 0;
  /** How many offsets one answer is about. */
  readonly pageSize: number;
  /** What happens before each answer. */
  readonly #meanwhile: (log: CompactedLog) => void;

  constructor(pageSize: number, meanwhile: (log: CompactedLog) => void = () => undefined) {
    this.pageSize = pageSize;
    this.#meanwhile = meanwhile;
  }

  write(...names: string[]): void {
    for (const name of names) this.records.set(this.end++, keyOf(name));
  }

  /** Leaves the newest record of each key. */
  compact(): void {
    const newest = new Map([...this.records].map(([offset, key]) => [key.toString('latin1'), offset]));
    for (const [offset, key] of this.records) {
      if (newest.get(key.toString('latin1')) !== offset) this.records.delete(offset);
    }
  }

  firstOffset(): Promise<number> {
    return Promise.resolve(0);
  }

  partitionCount(): Promise<number> {
    return Promise.resolve(1);
  }

  fetch(offset: number): Promise<CommittedPage> {
    this.#meanwhile(this);
    const nextOffset = Math.min(this.end, offset + this.pageSize);
    const found = [...this.records].filter(([at]) => at >= offset && at < nextOffset);
    const bytes = Buffer.concat(found.map(([delta, key]) => recordBytes({ delta, key, value: null })));
    const batch = { bytes, baseOffset: 0, baseTimestamp: 0, appendedAt: undefined };
    const lists = found.length === 0 ? [] : [RecordList.read(batch, found.length)];
    return Promise.resolve({ lists, nextOffset, highWatermark: this.end, lastStableOffset: this.end });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

test('rule 17: a record that compaction takes away while the log is read is seen where its key stands now', async () => {
  let answers = 0;
  const log = new CompactedLog(2, (read) => {
    // When the first answer has told an end, the key is written behind it, and its old record goes before it was come to.
    if (++answers !== 2) return;
    read.write('live');
    read.compact();
  });
  log.write('a', 'b', 'c', 'd', 'e', 'live');
  const live = new KeyHashes();
  await readLiveKeys(log, place, live, retry);
  assert.ok(live.has(keyOf('live'), keyFrame));
});

test('rule 17: whatever is written and compacted meanwhile, no key that stands in the log at the end is missed', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  for (let round = 0; round < 200; round++) {
    let left = 30;
    const some = (): string[] => Array.from({ length: random.below(6) }, () => `k${random.below(12)}`);
    const log = new CompactedLog(3, (read) => {
      if (left-- <= 0) return;
      read.write(...some());
      if (random.chance(0.5)) read.compact();
    });
    log.write(...some(), ...some(), ...some());
    const live = new KeyHashes();
    await readLiveKeys(log, place, live, retry);
    log.compact();
    for (const key of log.records.values()) assert.ok(live.has(key, keyFrame), `${key.toString('hex')} in ${round}`);
  }
});

test('rule 17: keys of another schema, or of another partition, are an error with the place', async () => {
  const log = new CompactedLog(10);
  log.write('a');
  log.records.set(
    log.end++,
    new KeyEncoder({ keyColumns: [{ name: 'id', type: 'string' }] }, 8).encode([Buffer.from('a')]),
  );
  await assert.rejects(readLiveKeys(log, place, new KeyHashes(), retry), {
    code: 'ORPHANS_UNDECIDABLE',
    message: /has the schema 8, and others have 7 \(topic shop.person, partition 0, offset 1\)/,
  });
  const foreign = new CompactedLog(10);
  foreign.write(...Array.from({ length: 20 }, (_, number) => `k${number}`));
  await assert.rejects(readLiveKeys(foreign, { ...place, partitions: 2 }, new KeyHashes(), retry), {
    code: 'ORPHANS_UNDECIDABLE',
    message: /does not belong to its partition, by the 2 partitions/,
  });
});

test('the schema of the keys is that of the first record, wherever it stands, and of none when there is none', async () => {
  const log = new CompactedLog(2);
  assert.equal(await firstKeySchemaId(log, retry), undefined);
  log.write('a', 'a', 'a', 'a', 'a');
  log.compact();
  assert.equal(await firstKeySchemaId(log, retry), 7);
});
