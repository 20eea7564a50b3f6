import type { DecodedEvent } from '../../schemas/index.ts';

export type { ColumnValue } from '../../schemas/index.ts';

/**
 * What one record of a topic says about one row. Its values may be read from the record's bytes whenever they are asked
 * for: ask once, and hold them no longer than it takes.
 */
export type Change = DecodedEvent;

/** Changes in an order. What stands for one may be made anew whenever it is asked for. */
export interface Changes extends Iterable<Change> {
  readonly length: number;
  at(index: number): Change | undefined;
}
