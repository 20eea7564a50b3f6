import type { OrphanBreaker } from './breaker.ts';
import type { ComparisonLimits } from './comparison.ts';
import type { Published } from './published.ts';
import type { Retention } from './topic-settings.ts';
import type { Turns } from './turns.ts';

/** What all partitions of a worker share. */
export interface OrphanSettings {
  /** Whether rows that stand in no record go, or stay. */
  readonly policy: 'remove' | 'keep';
  readonly breaker: OrphanBreaker;
  /** One comparison at a time: each holds the keys of a partition in memory. */
  readonly turns: Turns;
  /** How long a topic tells of a delete. */
  readonly retention: (topic: string) => Promise<Retention>;
  /** What the source says of a topic. */
  readonly published: (topic: string) => Promise<Published | undefined>;
  readonly limits?: ComparisonLimits | undefined;
}
