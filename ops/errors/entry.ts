/**
 * What to do when an error of this code meets a loop that could try again:
 * - `retry`: an outage; try again with growing, jittered waits until it ends;
 * - `reload`: drop everything in memory, read the durable position, and go on from there;
 * - `stop`: a person must act; the shard, partition or command stops and says so.
 */
export type Recovery = 'retry' | 'reload' | 'stop';

export interface CatalogueEntry {
  /** What the code means, in one sentence. */
  readonly meaning: string;
  /** What the operator does about it, in one sentence. */
  readonly remedy: string;
  readonly recovery: Recovery;
}
