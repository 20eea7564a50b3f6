import type { FencedValue, KeyOfDatabase, ReadFence } from './capture/fenced-reader.ts';
import type { SlotRange } from './decode/key-slot.ts';
import type { CapturesKey } from './decode/ports.ts';
import type { Committer, Place } from './committer.ts';
import type { Fold } from './fold/fold.ts';
import type { AfterwriteError } from '../ops/errors/index.ts';
import type { HeldKeys } from './held-keys.ts';
import type { RemovalCause, RemovalPolicy, Unresolved } from './fold/change.ts';
import type { Fill, FrozenMapping, Position } from './position.ts';
import type { SlotMoves } from './slot-moves.ts';
import type { StateStore } from './state/port.ts';

/** Proven bounds of the master's time, and its evictions (capture/clock.ts). */
export interface TimeBounds {
  /** From now on offsets are those of this stream; `floorMs` is a proven moment before it goes on, 0 for none. */
  follow(replid: string, floorMs: number): void;
  /** A moment before which the command that begins at this offset did not run, ms; 0 when none is proven. */
  notBefore(offset: number): number;
  /** A moment after which the command that ends at this offset did not run, ms; Infinity when none is proven. */
  notAfter(offset: number): number;
  /** Whether the master evicts keys by its settings. */
  readonly mayEvict: boolean;
  /** Waits until as much as can be is known of the command that ends at this offset. */
  reach(offset: number): Promise<void>;
  /** Whether the DEL or UNLINK of this key, which begins and ends at these offsets, was an eviction. */
  evicted(start: number, end: number, db: number, key: Buffer, hasExpiry: boolean): 'yes' | 'no' | 'maybe';
}

/** What folds mutations: fold/fold.ts, whatever rows are. */
export type Folding = Pick<
  Fold<never, never>,
  'apply' | 'snapshotHash' | 'vanished' | 'flushed' | 'gone' | 'swapped' | 'decided'
>;

/** What is told where the stream is, so that it can say so of the changes that fold puts out: record/recorder.ts. */
export interface Journal {
  /** Now, ms since the epoch. */
  at: number;
  replid: string;
  /** Offset after the command that is being folded, and its name. */
  offset: number;
  command: string;
  /** The greatest version given to a change so far. */
  readonly version: number;
  /** Has versions rise above this one, too. */
  raiseVersion(version: number): void;
  beginSnapshot(replid: string, offset: number): void;
  endSnapshot(): void;
  /** MULTI at this offset. */
  beginTransaction(offset: number): void;
  endTransaction(): void;
}

/** How far the shard's stream is folded. Mutable: the one place where progress is kept between links. */
export interface Progress {
  mode: Position['mode'];
  replid: string;
  offset: number;
  db: number;
  inTransaction: boolean;
  snapshot: boolean;
}

/** Where the breaker of vanished rows stands, and what a person has confirmed. */
export interface Breaker {
  readonly rows: number;
  readonly percent: number;
  /** As many vanished rows as a person has agreed to; undefined when nobody was asked. */
  readonly confirmed: number | undefined;
}

/** What a step of filling mappings needs from whoever follows the stream. It is made between two units. */
export interface FillTurn {
  readonly shard: Shard;
  /** The stream is folded up to here. */
  readonly offset: number;
  /** Commits what was folded so far. */
  readonly cut: () => Promise<void>;
}

/** What fills mappings while the stream of all goes on: fill/filler.ts. */
export interface Filling {
  /** What a position says of it. */
  readonly facts: Record<string, Fill>;
  /** Whether the state may know nothing of keys that exist. */
  readonly scans: boolean;
  /** Whether something has changed that a position should tell though nothing is published. */
  readonly isDue: boolean;
  /** When the next step can be made; undefined when that is for the stream or the commit to say. */
  wake(isFull: boolean): Promise<unknown> | undefined;
  /** From now on the stream is that of this replid: what was read on another one does not count (rule 6). */
  follow(replid: string): void;
  /** The stream has removed many keys, by a command that ends at this offset. */
  flushed(offset: number): void;
  /**
   * Does what can be done now.
   * @returns what only a full resync can find out, when the server does not let the keys be read
   * @throws AfterwriteError VANISHED_BREAKER
   */
  step(turn: FillTurn): Promise<Unresolved | undefined>;
  /** Keys that change faster than they can be read beside the stream. */
  takeStubborn(): readonly { readonly db: number; readonly key: Buffer }[];
  /** A position was committed. */
  committed(): void;
  /** A full resync has filled all mappings. */
  endAll(): void;
  close(): void;
}

/** Everything that following a stream and reading a snapshot need; wired by pipeline.ts. */
export interface Shard {
  readonly state: StateStore;
  readonly fold: Folding;
  readonly recorder: Journal;
  readonly committer: Committer;
  readonly captures: CapturesKey;
  /** What decoders report: keys that are captured, and those at which rows are written through; `captures` unless told. */
  readonly reads?: CapturesKey;
  /** The policies of the mapping that publishes a key; undefined when none does. */
  readonly policiesOf: (db: number, key: Buffer) => { policy(cause: RemovalCause): RemovalPolicy } | undefined;
  readonly clock: TimeBounds;
  /** Carries out what operations wanted and is not done, as far as the stream has told; where mappings have operations. */
  readonly redoEffects?: () => Promise<void>;
  /** What keys hold, each at some offset at or behind the fence. Rejects when they cannot be read within seconds. */
  readonly readKeys: (
    keys: readonly KeyOfDatabase[],
    fence: ReadFence,
    stopping: AbortSignal,
  ) => Promise<readonly FencedValue[]>;
  /** Keys that were read, until the stream has come to where. */
  readonly held: HeldKeys;
  /** What the position that this life began with had proven. */
  readonly clockFloor: { readonly replid: string; readonly ms: number };
  readonly progress: Progress;
  readonly mappings: Readonly<Record<string, FrozenMapping>>;
  /** Fills mappings that have changed since the position was committed; not there when none has to be filled. */
  readonly filler?: Filling;
  /** By topic: mappings that were taken away, and whose rows the state knows. */
  readonly left?: Readonly<Record<string, FrozenMapping>>;
  readonly breaker: Breaker;
  /** Of a shard of a cluster: what becomes of its slots. */
  readonly slots?: SlotMoves | undefined;
  /** Hashes that one unit may hold in memory: the records of the largest batch. */
  readonly unitLimit: number;
  /** As many keys are gathered before they are read beside the stream, at most; KEYS_A_READ unless told. */
  readonly keysARead?: number;
  readonly stopping: AbortSignal;
  readonly told: ShardNews;
}

/** What the shard tells its surroundings, for logs and metrics. */
export interface ShardNews {
  commands(count: number): void;
  /** Nothing that the stream says up to here waits for Kafka. */
  upToDate(replid: string, offset: number): void;
  flushed(db: number | 'all', slots: readonly SlotRange[] | 'all'): void;
  /** A key was read beside the stream, for this reason. */
  keyRead(reason: string): void;
  /** So many hashes of a mapping are folded while the stream goes on. */
  filling(mapping: string, keys: number): void;
  /** A mapping cannot be filled now; it is tried again after so many ms. */
  fillWaits(error: AfterwriteError, waitMs: number): void;
  /** A mapping is filled. */
  filled(mapping: string, keys: number, missing: Readonly<Partial<Record<RemovalCause, number>>>): void;
  snapshotProgress(bytes: number, total: number | undefined): void;
  snapshotRead(facts: {
    hashes: number;
    bytes: number;
    checksum: string;
    missing: Readonly<Partial<Record<RemovalCause, number>>>;
  }): void;
}

/** How following a link ended. */
export type LinkEnd = 'broken' | 'stopped' | Unresolved;

/** The place that a commit made now records. */
export function placeOf(
  shard: Shard,
  offset: number,
  more: { db: number; inTransaction: boolean; begun?: boolean },
): Place {
  const { progress } = shard;
  return {
    mode: progress.mode,
    replid: progress.replid,
    offset,
    db: more.db,
    inTransaction: more.inTransaction,
    begun: more.begun ?? false,
    snapshot: progress.snapshot,
    version: shard.recorder.version,
    clock: shard.clock.notBefore(offset),
    mappings: shard.mappings,
    fills: shard.filler?.facts ?? {},
    left: shard.left ?? {},
    held: shard.held.saved,
    ...(shard.slots === undefined ? {} : { slots: shard.slots.saved }),
  };
}
