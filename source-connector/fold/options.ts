import type { CapturesKey } from '../decode/ports.ts';
import type { StateStore } from '../state/port.ts';
import type { FoldOutput, KeyPlace, RowView } from './change.ts';
import type { StagedWrites } from './staged-writes.ts';

/** What a fold works on, and where it says what follows. */
export interface FoldOptions<Problem, View extends RowView<Problem>> {
  readonly state: StateStore;
  readonly captures: CapturesKey;
  /** The mapping that publishes this key of this database; undefined when the key is only shadowed. */
  readonly viewOf: (db: number, key: Buffer) => View | undefined;
  readonly output: FoldOutput<Problem, View>;
  /** In a cluster: what the key's slot is to this shard. Keys of foreign slots have no view. */
  readonly placeOf?: ((key: Buffer) => KeyPlace) | undefined;
  /** Where rows are written through. */
  readonly through?: FoldThrough<Problem, View> | undefined;
}

/** The writes that are pending, and what it takes to make others. */
export interface FoldThrough<Problem, View extends RowView<Problem>> {
  readonly writes: StagedWrites;
  readonly numbering: Numbering;
  /** Whether a key can be that of a row, and why a hash cannot be one, in words. */
  readonly fits: (view: View, key: Buffer) => boolean;
  readonly describe: (problem: Problem) => string;
  /** Whether nobody has read yet what the key holds, though it may hold something (rule 8). */
  readonly isUnread: (db: number, key: Buffer) => boolean;
}

/** Gives numbers to writes: record/recorder.ts, since versions rise with them. */
export interface Numbering {
  /** Now, ms since the epoch. */
  readonly at: number;
  readonly version: number;
  raiseVersion(version: number): void;
}
