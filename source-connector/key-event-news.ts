import type { AfterwriteError } from '../ops/errors/index.ts';
import type { KeyLevels } from './capture/replication-state.ts';

/** Why all keys are compared. */
export type ComparisonReason =
  /** Nothing is known of what happened before this session. */
  | 'start'
  /** Its time has come. */
  | 'regular'
  /** More keys changed than may wait. */
  | 'overflow'
  /** A hash went away and no event told so. */
  | 'unexplained'
  /** FLUSHDB, FLUSHALL or SWAPDB ran. */
  | 'silent-command';

/** What following a server by its key events tells, for logs, metrics and the shard's status. */
export interface KeyEventNews {
  /** A session is being opened; it tells its figures from now on. */
  subscribing(figures: () => KeyLevels): void;
  /** All keys are compared; with `start` the shard is not up to date before that is over. */
  comparing(reason: ComparisonReason): void;
  /** All keys were compared. `unheard`: differences that no event had told of. */
  compared(facts: { readonly reason: ComparisonReason; readonly hashes: number; readonly unheard: number }): void;
  /** The server's events are followed; all that it held before is published. */
  following(): void;
  /** An event came; `first`: its key was not waiting already. */
  keyEvent(first: boolean): void;
  keysRead(count: number): void;
  /** Something that does not stop the work, and needs a person. */
  warn(facts: object, message: string): void;
  /** The session is over. */
  lost(error: AfterwriteError | undefined): void;
}
