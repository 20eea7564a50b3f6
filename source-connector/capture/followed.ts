import { ControlConnection, holdsStream, type RedisEndpoint, type ResolveEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { ResumePoint } from './session.ts';

/** The servers that hold the data of one shard. */
export interface Roster {
  readonly master: RedisEndpoint;
  readonly replicas: readonly RedisEndpoint[];
}

/** Who knows them, such as Sentinels. */
export interface ServerGroup {
  readonly prefer: 'replica' | 'master';
  /** The servers now, with their secrets read anew. @throws an error to retry when that cannot be known now */
  roster(): Promise<Roster>;
  /** The servers as they were told last, with their secrets read anew; undefined before they were told. */
  lastRoster(): Promise<Roster | undefined>;
  /** Has `listener` called as soon as another server may be the master. Called now and then; roster tells it all the same. */
  listen(listener: () => void): void;
  close(): void;
}

/** The one server that a shard follows: its link, and all that is asked beside the link, so that all see the same data. */
export interface Followed {
  /** The server for the next link, which is to go on after `resume`, or to begin with a full resync. */
  choose(resume: ResumePoint | null): Promise<RedisEndpoint>;
  /** The server of the last link. */
  readonly endpoint: ResolveEndpoint;
  /**
   * A server to read keys from: that of the link, or another one where it does not answer. What is read counts by the
   * replid alone, and a key may be waited for before the next link is opened.
   */
  readonly readable: ResolveEndpoint;
  /** Whether a link can go on after `resume` without a full resync; false where it cannot be known. */
  goesOn(resume: ResumePoint): Promise<boolean>;
  /** Begins to watch the server that is followed. */
  start(): void;
  /** Ends the watch, and whoever waits for a server. */
  close(): Promise<void>;
}

/** A shard with one server, or wherever the endpoint leads to. */
export function oneServer(endpoint: ResolveEndpoint, signal: AbortSignal): Followed {
  return {
    choose: endpoint,
    endpoint,
    readable: endpoint,
    start: () => undefined,
    close: () => Promise.resolve(),
    goesOn: async ({ replid, offset }) => {
      let connection: ControlConnection | undefined;
      try {
        connection = await ControlConnection.open(await endpoint(), { signal });
        return (await holdsStream(connection, replid, offset)) === true;
      } catch (error) {
        if (error instanceof AfterwriteError) return false;
        throw error;
      } finally {
        connection?.close();
      }
    },
  };
}
