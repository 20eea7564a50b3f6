import { AfterwriteError } from '../ops/errors/index.ts';
import type { Logger } from '../ops/logging.ts';
import { retryUntilDone } from '../ops/retry.ts';
import { DirtyKeys } from './capture/dirty-keys.ts';
import { KeyspaceSession, type WatchedPrefix } from './capture/keyspace.ts';
import type { ResolveEndpoint } from '../clients/redis/index.ts';
import { endedSession, KeyFollower, type KeyEventSettings } from './key-follower.ts';
import type { KeyEventNews } from './key-event-news.ts';
import type { Shard } from './shard.ts';

/** Names of keys that wait may take so much memory, whatever their number. */
const WAITING_BYTES = 64 * 1024 * 1024;

export interface KeyEventOptions {
  readonly redis: ResolveEndpoint;
  readonly prefixes: readonly WatchedPrefix[];
  readonly settings: KeyEventSettings;
  readonly told: KeyEventNews;
  /** Whether it waits for a server that does not send key events, until it does, from the beginning on. */
  readonly patient: boolean;
  /** The server cannot be followed now; it is tried again after so many ms. */
  readonly waits: (error: AfterwriteError, waitMs: number) => void;
  readonly log: Logger;
}

/**
 * Follows a server by its key events until the shard is stopped: session after session. What happens between two is not
 * told, so each begins with a comparison of all keys.
 * @throws AfterwriteError what waiting does not mend, and what makes the life begin again
 */
export async function carryKeyEvents(shard: Shard, options: KeyEventOptions): Promise<void> {
  const { patient, log, waits } = options;
  const { stopping } = shard;
  let worked = false;
  let everWorked = false;
  try {
    const end = await retryUntilDone(
      async () => {
        worked = false;
        try {
          return await followOnce(shard, options, () => (worked = everWorked = true));
        } catch (error) {
          if (!patient && !everWorked && isSwitchedOff(error)) return error;
          throw error;
        }
      },
      {
        signal: stopping,
        firstWaitMs: 100,
        longestWaitMs: 10_000,
        worked: () => worked,
        onWait: ({ error, waitMs }) => {
          waits(error, waitMs);
          log.warn({ err: error, waitMs }, 'the key events of the Redis server cannot be followed');
        },
      },
    );
    if (end !== undefined) throw end;
  } catch (error) {
    if (!stopping.aborted) throw error;
  }
}

/**
 * One session, from its subscription to its end.
 * @returns when the shard was stopped, or with what no other session mends
 * @throws AfterwriteError what another session may mend
 */
async function followOnce(
  shard: Shard,
  { redis, prefixes, settings, told }: KeyEventOptions,
  worked: () => void,
): Promise<Error | undefined> {
  const { progress, recorder, stopping } = shard;
  const dirty = new DirtyKeys({ keys: settings.waitingKeys, bytes: WAITING_BYTES });
  let follower: KeyFollower | undefined;
  told.subscribing(() => follower?.levels() ?? { waiting: dirty.size, lagMs: 0, compared: undefined });
  const onEvent = (first: boolean): void => {
    told.keyEvent(first);
    if (first) follower?.wake();
  };
  const session = await KeyspaceSession.open({ endpoint: redis, prefixes, dirty, onEvent, signal: stopping });
  try {
    Object.assign(progress, {
      mode: 'notifications',
      replid: '',
      offset: 0,
      db: 0,
      inTransaction: false,
      snapshot: true,
    });
    recorder.replid = '';
    recorder.offset = 0;
    recorder.endTransaction();
    follower = new KeyFollower({ shard, session, dirty, prefixes, settings, told });
    if ((await follower.follow()) === 'stopped') return undefined;
    throw session.brokenBy ?? subscriptionLost();
  } catch (error) {
    if (follower?.isFollowing === true) worked();
    told.lost(session.brokenBy);
    if (endedSession(error, session) || isLost(error)) throw error;
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    session.close();
  }
}

function subscriptionLost(): AfterwriteError {
  return new AfterwriteError('REDIS_LINK_LOST', 'the subscription to key events ended');
}

function isLost(error: unknown): boolean {
  return error instanceof AfterwriteError && error.code === 'REDIS_LINK_LOST';
}

function isSwitchedOff(error: unknown): error is AfterwriteError {
  return error instanceof AfterwriteError && error.code === 'NOTIFICATIONS_OFF';
}
