import type { OutgoingBatch, TransactionalSender } from '../../source-connector/send/port.ts';

/** A record as it would have gone into Kafka. */
export interface SentRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer | null;
}

class MemoryBatch implements OutgoingBatch {
  readonly list: SentRecord[] = [];
  bytes = 0;

  append(topic: string, partition: number, key: Buffer, value: Buffer | null): void {
    this.list.push({ topic, partition, key, value });
    this.bytes += key.length + (value?.length ?? 0);
  }

  get records(): number {
    return this.list.length;
  }
}

/** The send port with nothing behind it: for tests of what comes before, such as the replay of recordings. */
export class MemorySender implements TransactionalSender {
  readonly committed: SentRecord[] = [];
  position: Buffer | null;
  readonly #batches = new Set<OutgoingBatch>();
  #crashed = false;

  /** @param position what was committed before */
  constructor(position: Buffer | null = null) {
    this.position = position;
  }

  /** From now on no commit comes through, not even one that has begun. */
  crash(): void {
    this.#crashed = true;
  }

  wasCommitted(batch: OutgoingBatch): boolean {
    return this.#batches.has(batch);
  }

  claim(): Promise<Buffer | null> {
    return Promise.resolve(this.position);
  }

  begin(): OutgoingBatch {
    return new MemoryBatch();
  }

  async commit(batch: OutgoingBatch, position: Buffer, synced: Promise<void>): Promise<void> {
    await synced;
    if (this.#crashed) throw new Error('the process is gone');
    this.#batches.add(batch);
    if (batch instanceof MemoryBatch) this.committed.push(...batch.list);
    this.position = position;
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}
