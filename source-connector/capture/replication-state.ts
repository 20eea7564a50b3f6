/**
 * The states of a shard's replication and what they mean: the one place for logs, metrics, /healthz, /readyz and the
 * reference.
 */
export const replicationStates = {
  starting: 'the shard is claimed in Kafka and its state recovered; there is no link yet',
  connecting: 'a connection to the Redis server is being opened',
  handshake: 'the connector introduces itself and asks for the stream',
  snapshot: 'a full resync: n of m bytes of the snapshot are read',
  streaming: 'the stream is followed; so many bytes and ms are not in Kafka yet',
  spilling: 'the stream comes faster than Kafka takes it: n of m bytes wait on disk',
  'backing-off': 'as much waits on disk as may: the link is closed until Kafka has taken it',
  reconnecting: 'the link is gone; the next attempt follows in n s',
  stopped: 'ended by a signal',
  failed: 'a person has to act',
} as const;

export type ReplicationState = keyof typeof replicationStates;

/** All states, in the order in which a shard usually passes them. */
export const replicationStateNames = Object.keys(replicationStates).filter(isState);

function isState(name: string): name is ReplicationState {
  return name in replicationStates;
}

/** The figures that belong to the states. */
export interface ReplicationFigures {
  readonly snapshotBytes: number;
  /** Undefined while the server sends a snapshot whose size it does not know. */
  readonly snapshotTotal: number | undefined;
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly spilledBytes: number;
  readonly spillLimit: number;
  /** Milliseconds until the next attempt; undefined while one is under way. */
  readonly nextAttemptMs: number | undefined;
}

/** A state with its figures in one line, such as `snapshot, 12 of 100 bytes`. */
export function replicationText(state: ReplicationState, figures: ReplicationFigures): string {
  const { snapshotBytes, snapshotTotal, lagBytes, lagMs, spilledBytes, spillLimit, nextAttemptMs } = figures;
  switch (state) {
    case 'snapshot':
      return `snapshot, ${snapshotBytes} of ${snapshotTotal ?? 'an unknown number of'} bytes`;
    case 'streaming':
      return `streaming, ${lagBytes} bytes and ${lagMs} ms behind`;
    case 'spilling':
    case 'backing-off':
      return `${state}, ${spilledBytes} of ${spillLimit} bytes wait on disk, ${lagBytes} bytes and ${lagMs} ms behind`;
    case 'reconnecting':
      return nextAttemptMs === undefined ? state : `reconnecting in ${Math.ceil(nextAttemptMs / 1000)} s`;
    default:
      return state;
  }
}
