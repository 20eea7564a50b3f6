import { SlotCourse, isPassed } from '../../../source-connector/cluster/slot-course.ts';
import type { Fence, OtherShard, ShardLook } from '../../../source-connector/cluster/member.ts';
import { SlotTokens, type Claimable } from '../../../source-connector/cluster/slot-tokens.ts';
import type {
  Change,
  FoldOutput,
  FoldTime,
  RemovalPolicy,
  RowReading,
  RowView,
} from '../../../source-connector/fold/change.ts';
import { Fold } from '../../../source-connector/fold/fold.ts';
import { isGone, isHeld } from '../../../source-connector/mark.ts';
import { packHash, unpackHash } from '../../../source-connector/packed-hash.ts';
import type { SavedSlots } from '../../../source-connector/position.ts';
import type { Entry } from '../../../source-connector/state/port.ts';
import { MapState } from '../../support/map-state.ts';
import { KEYS, SLOTS, slotOf, type MovingWorld } from './moving-world.ts';

/** One record of the topic. */
export interface Published {
  readonly key: string;
  readonly row: string | null;
  readonly version: number;
  readonly shard: number;
}

/** What all shards have in common: the topic, and what each has committed. */
export interface Shared {
  readonly world: MovingWorld;
  /** Commands of a stream in which no move is taken back. */
  readonly slack: number;
  readonly topic: Published[];
  /** The order of commits gives versions, so that clocks play no part. */
  readonly committed: Map<number, Committed>;
}

interface Committed {
  readonly offset: number;
  readonly version: number;
  readonly slots: SavedSlots;
  readonly state: ReadonlyMap<string, Entry>;
  /** The shard's partition of marks, by key. */
  readonly marks: ReadonlyMap<string, Buffer>;
}

/** The hash's one field is its row. */
class View implements RowView<never> {
  readonly name = 'rows';
  readonly readsExpiry = false;
  readonly keepsAbsent = false;
  readonly fieldNames = 'all';

  mappedFields(hash: Buffer): Buffer {
    return hash;
  }

  read(_key: Buffer, hash: Buffer): RowReading<never> {
    return { kind: 'row', row: Buffer.from(unpackHash(hash)[0]?.[1] ?? '') };
  }

  policy(): RemovalPolicy {
    return 'delete';
  }
}

const view = new View();
const timeOf = (command: string): FoldTime => ({ command, notBefore: 0, notAfter: Infinity, evicted: () => 'no' });
const hashOf = (value: string): Buffer => packHash([['v', value]]);

interface Takeover {
  readonly claims: readonly Claimable[];
  readonly version: number;
  readonly fence: Fence;
}

/**
 * A shard's pipeline with nothing in it but the real course of slots, the real fold, and memory: batches, positions and
 * the topic are lists. It does what slot-moves.ts and stream.ts do, one step at a time.
 */
export class ModelShard implements FoldOutput<never, View> {
  readonly #shard: number;
  readonly #shared: Shared;
  #state: MapState;
  #course: SlotCourse;
  #offset: number;
  #version: number;
  #marks: Map<string, Buffer>;
  #batch: Published[] = [];
  #takeover: Takeover | undefined;
  #fold: Fold<never, View>;

  /** Begins a life, from what is committed. */
  constructor(shard: number, shared: Shared) {
    this.#shard = shard;
    this.#shared = shared;
    const committed = shared.committed.get(shard);
    this.#state = new MapState(committed?.state);
    this.#offset = committed?.offset ?? 0;
    this.#version = committed?.version ?? 0;
    this.#marks = new Map(committed?.marks);
    const tokens = new SlotTokens(shard, committed?.slots, this.#first());
    this.#course = new SlotCourse(tokens);
    for (const key of this.#state.keys()) {
      if (isHeld(this.#state.get(0, key)?.mark ?? null)) tokens.setLeaving(slotOf(key), true);
    }
    const placeOf = (key: Buffer): ReturnType<SlotCourse['placeOf']> => this.#course.placeOf(slotOf(key));
    this.#fold = new Fold({
      state: this.#state,
      captures: () => true,
      viewOf: (_, key) => (placeOf(key) === 'foreign' ? undefined : view),
      output: this,
      placeOf,
    });
  }

  /** How much of the stream is not folded yet. */
  get behind(): number {
    return this.#stream.length - this.#offset;
  }

  /** Whether all that it knows is committed, and no slot waits for it. */
  get isAtRest(): boolean {
    const busy = this.#course.isBusy(this.#look()) || this.#takeover !== undefined || this.#claims().length > 0;
    return this.behind === 0 && this.#batch.length === 0 && !busy;
  }

  /** Folds the next command of the stream. */
  fold(): void {
    const step = this.#stream[this.#offset];
    if (step === undefined) return;
    const key = Buffer.from(step.key);
    this.#offset++;
    if (step.kind === 'del') {
      this.look();
      this.#course.removal(slotOf(key), this.#place, this.#shared.slack);
      this.#fold.apply({ kind: 'remove', db: 0, key }, timeOf('DEL'));
    } else {
      this.#fold.apply({ kind: 'replace', db: 0, key, fields: hashOf(step.value), expireAt: 0 }, timeOf('SET'));
    }
  }

  look(): void {
    this.#course.take(this.#look());
  }

  /** Does what is due with slots, and commits. @param halves whether what arrives is committed before it is all there */
  commit(halves = false): void {
    if (this.#course.isDue(this.#place)) {
      const { staying } = this.#course.settle(this.#place);
      this.#decide(staying);
    }
    const takeover = this.#takeover;
    if (takeover !== undefined && isPassed(takeover.fence, this.#place)) {
      this.#course.arrive(
        takeover.claims.map(({ slot }) => slot),
        this.#look(),
        this.#place,
      );
      this.#version = Math.max(this.#version, takeover.version);
      this.#decide(new Set(takeover.claims.map(({ slot }) => slot)));
      if (halves) this.#end();
      this.#course.arrived(takeover.claims);
      this.#takeover = undefined;
    }
    this.#end();
  }

  /** Reads what others have released to it, and what was published of that. */
  claim(): void {
    if (this.#takeover !== undefined) return;
    const claims = this.#claims();
    if (claims.length === 0) return;
    const slots = new Set(claims.map(({ slot }) => slot));
    const from = claims.map((claim) => this.#shared.committed.get(claim.from));
    const version = Math.max(...from.map((one) => one?.version ?? 0));
    this.#takeover = { claims, version, fence: { replid: 'r', offset: this.#stream.length } };
    for (const key of this.#state.keys()) {
      const entry = this.#state.get(0, key);
      if (entry === undefined || !slots.has(slotOf(key))) continue;
      this.#state.put(0, key, { ...entry, published: null, mark: isGone(entry.mark) ? entry.mark : null });
    }
    for (const { key: name, row } of this.#shared.topic) if (slots.has(slotOf(name))) this.#know(name, row);
    for (const key of [...this.#marks.keys()]) if (slots.has(slotOf(key))) this.#marks.delete(key);
    for (const one of from) {
      for (const [key, mark] of one?.marks ?? []) {
        if (!slots.has(slotOf(key))) continue;
        this.#marks.set(key, mark);
        const bytes = Buffer.from(key);
        const entry = this.#state.get(0, bytes) ?? { current: null, expireAt: 0, published: null, mark: null };
        this.#state.put(0, bytes, { ...entry, mark: isGone(entry.mark) ? entry.mark : mark });
      }
    }
  }

  change({ key, after }: Change<View>): void {
    const row = after === null ? null : after.toString();
    this.#batch.push({ key: key.toString(), row, version: ++this.#version, shard: this.#shard });
  }

  marked(_view: View, _db: number, key: Buffer, mark: Buffer | null): void {
    if (mark === null) this.#marks.delete(key.toString());
    else this.#marks.set(key.toString(), Buffer.from(mark));
  }

  rejected(): void {
    throw new Error('a hash is rejected');
  }

  removed(): void {
    // The change tells.
  }

  effect(): void {
    // There are no operations.
  }

  get #stream(): MovingWorld['streams'][number] {
    return this.#shared.world.streams[this.#shard] ?? [];
  }

  get #place(): Fence {
    return { replid: 'r', offset: this.#offset };
  }

  #first(): number[] {
    return SLOTS.filter((slot) => slot % 3 === this.#shard);
  }

  #look(): ShardLook {
    const fence = { replid: 'r', offset: this.#stream.length };
    const { world } = this.#shared;
    return { places: world.places(), fence, epoch: world.epochOf(this.#shard), isGone: false, isSure: true };
  }

  #claims(): Claimable[] {
    const others = new Map<number, OtherShard['slots']>();
    for (const [shard, { slots }] of this.#shared.committed) if (shard !== this.#shard) others.set(shard, slots);
    return this.#course.tokens.claimable(others, this.#first());
  }

  #know(name: string, row: string | null): void {
    const key = Buffer.from(name);
    const entry = this.#state.get(0, key) ?? { current: null, expireAt: 0, published: null, mark: null };
    this.#state.put(0, key, { ...entry, published: row === null ? null : Buffer.from(row) });
  }

  #decide(slots: ReadonlySet<number>): void {
    for (const key of KEYS) {
      if (slots.has(slotOf(key))) this.#fold.decided(0, Buffer.from(key), timeOf('MIGRATE'), true);
    }
  }

  /** One transaction. */
  #end(): void {
    this.#shared.topic.push(...this.#batch);
    this.#batch = [];
    this.#shared.committed.set(this.#shard, {
      offset: this.#offset,
      version: this.#version,
      slots: this.#course.tokens.saved,
      state: this.#state.copy(),
      marks: new Map(this.#marks),
    });
  }
}
