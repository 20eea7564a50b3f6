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
  filling:
    'as streaming, and hashes of a mapping are folded that the stream does not tell of: it was added, changed, or is back',
  spilling: 'the stream comes faster than Kafka takes it: n of m bytes wait on disk',
  'backing-off': 'as much waits on disk as may: the link is closed until Kafka has taken it',
  subscribing: 'in notification mode: the key events of the server are subscribed to',
  comparing: 'in notification mode: all keys are compared with what was published; n were until now',
  following: 'in notification mode: the server is followed by its key events; n keys wait to be read',
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

/** How far keys are followed by their events. */
export interface KeyLevels {
  /** Keys that wait to be read. */
  readonly waiting: number;
  /** How long the oldest change has waited that is not in Kafka yet, ms. */
  readonly lagMs: number;
  /** Keys that the comparison under way has looked at; undefined while there is none. */
  readonly compared: number | undefined;
}

/** The figures that belong to the states. */
export interface ReplicationFigures {
  readonly snapshotBytes: number;
  /** Undefined while the server sends a snapshot whose size it does not know. */
  readonly snapshotTotal: number | undefined;
  /** The mapping that is being filled, and how many hashes of it are folded; undefined when none is. */
  readonly filling: { readonly mapping: string; readonly keys: number } | undefined;
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly spilledBytes: number;
  readonly spillLimit: number;
  /** Milliseconds until the next attempt; undefined while one is under way. */
  readonly nextAttemptMs: number | undefined;
  /** Of the keys, in notification mode. */
  readonly keys: KeyLevels | undefined;
}

/** A state with its figures in one line, such as `snapshot, 12 of 100 bytes`. */
export function replicationText(state: ReplicationState, figures: ReplicationFigures): string {
  const { snapshotBytes, snapshotTotal, filling, lagBytes, lagMs, spilledBytes, spillLimit, nextAttemptMs, keys } =
    figures;
  switch (state) {
    case 'snapshot':
      return `snapshot, ${snapshotBytes} of ${snapshotTotal ?? 'an unknown number of'} bytes`;
    case 'streaming':
      return `streaming, ${lagBytes} bytes and ${lagMs} ms behind`;
    case 'filling':
      return `filling mapping ${filling?.mapping ?? '?'}: ${filling?.keys ?? 0} keys, ${lagBytes} bytes and ${lagMs} ms behind`;
    case 'spilling':
    case 'backing-off':
      return `${state}, ${spilledBytes} of ${spillLimit} bytes wait on disk, ${lagBytes} bytes and ${lagMs} ms behind`;
    case 'comparing':
      return `comparing, ${keys?.compared ?? 0} keys`;
    case 'following': {
      const comparing = keys?.compared === undefined ? '' : `, comparing, ${keys.compared} keys`;
      return `following, ${keys?.waiting ?? 0} keys and ${keys?.lagMs ?? 0} ms behind${comparing}`;
    }
    case 'reconnecting':
      return nextAttemptMs === undefined ? state : `reconnecting in ${Math.ceil(nextAttemptMs / 1000)} s`;
    default:
      return state;
  }
}
