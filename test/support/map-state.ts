import type { Census, Entry, SealedBatch, StateStore } from '../../source-connector/state/port.ts';
import { wholeOf } from '../../source-connector/wide-hash.ts';

/** A state in memory alone, for tests of what stands on it. */
export class MapState implements StateStore {
  readonly #entries: Map<string, Entry>;
  readonly unsealedBytes = 0;

  constructor(entries: ReadonlyMap<string, Entry> = new Map()) {
    this.#entries = new Map(entries);
  }

  /** What it holds, by key. */
  copy(): ReadonlyMap<string, Entry> {
    return new Map(this.#entries);
  }

  get(_db: number, key: Buffer): Entry | undefined {
    return this.#entries.get(key.toString('latin1'));
  }

  put(_db: number, key: Buffer, entry: Entry): void {
    const name = key.toString('latin1');
    if (entry.current === null && entry.published === null && entry.mark === null) this.#entries.delete(name);
    else this.#entries.set(name, { ...entry, current: entry.current && Buffer.from(wholeOf(entry.current)) });
  }

  databases(): number[] {
    return this.#entries.size === 0 ? [] : [0];
  }

  count(): number {
    return this.#entries.size;
  }

  *keys(): IterableIterator<Buffer> {
    for (const key of [...this.#entries.keys()]) yield Buffer.from(key, 'latin1');
  }

  census(): Census {
    const keys = new Set(this.#entries.keys());
    return {
      crossOff: (_, key) => keys.delete(key.toString('latin1')),
      has: (_, key) => keys.has(key.toString('latin1')),
    };
  }

  seal(): SealedBatch {
    return { tag: { logId: 'memory', sequence: 1 }, bytes: 0 };
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  committed(): void {
    // Nothing is logged.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
