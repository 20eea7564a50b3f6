import type { TimeBounds } from '../../../source-connector/shard.ts';

/** A clock that proves nothing, of a server that evicts nothing. */
export const unprovenTime: TimeBounds = {
  follow: () => undefined,
  notBefore: () => 0,
  notAfter: () => Infinity,
  mayEvict: false,
  reach: () => Promise.resolve(),
  evicted: () => 'no',
};
