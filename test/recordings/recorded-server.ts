import type { FencedValue, ReadFence } from '../../source-connector/capture/fenced-reader.ts';
import type { DecodedCommand } from '../../source-connector/decode/mutation.ts';
import { RdbDecoder } from '../../source-connector/decode/rdb.ts';
import { CommandDecoder } from '../../source-connector/decode/stream.ts';
import { HashModel } from '../support/hash-model.ts';
import type { Random } from '../support/random.ts';
import type { Recording } from '../support/recordings.ts';

/** By so many commands a read comes late, at most. */
const LATE = 40;

/** What the server of a recording held, for reads beside the stream: like a real one it only ever moves on. */
export class RecordedServer {
  readonly #model = new HashModel();
  readonly #stream: CommandDecoder;
  readonly #random: Random;
  /** The command that comes next, when it is known already; where the server stands before it. */
  #next: DecodedCommand | undefined;
  #offset: number;
  #inTransaction = false;

  /** @param recording one that begins with a full resync */
  constructor(recording: Recording, random: Random) {
    const { rdb, bytes, streamAt, startOffset } = recording;
    this.#random = random;
    this.#offset = startOffset;
    const snapshot = new RdbDecoder({ captures: () => true });
    snapshot.push(bytes.subarray(rdb?.at ?? 0, (rdb?.at ?? 0) + (rdb?.bytes ?? 0)));
    for (let event = snapshot.next(); event !== undefined; event = snapshot.next()) {
      if (event.kind === 'hash') this.#model.put(event.db, event.key, event.fields, event.expireAt);
    }
    const ignoreCommands = new Set<string>();
    this.#stream = new CommandDecoder({ captures: () => true, ignoreCommands, offset: startOffset, db: 0 });
    this.#stream.push(bytes.subarray(streamAt));
  }

  /**
   * A key as it is at the fence or, as the server has moved on meanwhile, some commands behind it: but not behind a
   * SWAPDB, which no key may be held back across.
   */
  read(db: number, key: Buffer, fence: ReadFence): FencedValue {
    for (let late = this.#random.below(LATE); this.#offset < fence.offset || this.#inTransaction || late > 0; late--) {
      this.#next ??= this.#stream.next();
      if (this.#next === undefined) break;
      const { kind, start, end, mutations } = this.#next;
      const swaps = mutations.some((one) => one.kind === 'swap');
      if (swaps && start >= fence.offset && !this.#inTransaction) break;
      this.#model.apply(this.#next);
      this.#next = undefined;
      this.#offset = end;
      if (kind === 'begin') this.#inTransaction = true;
      if (kind === 'commit') this.#inTransaction = false;
    }
    const hash = this.#model.read(db, key);
    const offset = Math.max(this.#offset, fence.offset);
    return { offset, fields: hash?.fields ?? null, expireAt: hash?.expireAt ?? 0 };
  }
}
