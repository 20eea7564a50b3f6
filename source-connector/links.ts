import { setTimeout as wait } from 'node:timers/promises';
import { AfterwriteError } from '../ops/errors/index.ts';
import type { Logger } from '../ops/logging.ts';
import { retryUntilDone } from '../ops/retry.ts';
import type { Feed } from './capture/feed.ts';
import type { Followed } from './capture/followed.ts';
import type { ResyncPace } from './capture/resync-pace.ts';
import type { ReplicationSession, ResumePoint } from './capture/session.ts';
import { RdbDecoder } from './decode/rdb.ts';
import { CommandDecoder } from './decode/stream.ts';
import type { PipelineNews } from './news.ts';
import { placeOf, type LinkEnd, type Shard } from './shard.ts';
import { decideSlots } from './slot-decisions.ts';
import { readSnapshot } from './snapshot.ts';
import { followStream } from './stream.ts';

/** How a server may be followed. */
export type SourceMode = 'auto' | 'replication' | 'notifications';

/** What following a server link by link needs beside the shard. */
export interface LinkOptions {
  readonly redis: Followed;
  readonly feed: Feed;
  readonly ignoreCommands: ReadonlySet<string>;
  readonly mode: SourceMode;
  /** Whether a person has asked for a full resync. */
  readonly resync: boolean;
  readonly pace: ResyncPace;
  readonly news: PipelineNews;
  readonly log: Logger;
}

/**
 * Opens link after link, each where the one before ended, or with a full resync where that is not possible.
 * @returns undefined when the shard is to stop, or why the server does not replicate, when another way may be taken
 */
export async function followLinks(
  shard: Shard,
  options: LinkOptions,
  goesOn: boolean,
  begun: boolean,
): Promise<AfterwriteError | undefined> {
  const { progress } = shard;
  let resume = goesOn;
  // What a person asks for does not wait.
  let mayWait = !options.resync;
  // A command that was begun but not finished counts on its own stream only: a promoted replica may never have had it.
  let unfinishedOn = begun ? progress.replid : undefined;
  for (;;) {
    const point = resume ? { replid: progress.replid, offset: progress.offset } : null;
    const session = await connect(shard, options, point, mayWait);
    if (session === undefined || session instanceof AfterwriteError) return session;
    mayWait = true;
    try {
      const { answer } = session;
      if (answer.kind === 'continue' && unfinishedOn !== undefined && answer.replid !== unfinishedOn) {
        resume = false;
        continue;
      }
      unfinishedOn = undefined;
      const end = await followLink(shard, session, options);
      if (end === 'stopped') return undefined;
      resume = !progress.snapshot;
      if (typeof end === 'object') {
        resume = false;
        options.feed.close();
        const key = end.key.toString();
        options.log.warn({ reason: end.reason, db: end.db, key }, 'the stream does not say enough; a full resync will');
      } else {
        options.log.warn({ reason: session.brokenBy?.message, offset: progress.offset }, 'the link to Redis is over');
      }
    } finally {
      session.close();
    }
  }
}

/**
 * Opens the next link, however long that takes; undefined when the shard is to stop, or the server's refusal to replicate,
 * when another way may be taken.
 */
async function connect(
  shard: Shard,
  options: LinkOptions,
  resume: ResumePoint | null,
  mayWait: boolean,
): Promise<ReplicationSession | AfterwriteError | undefined> {
  const { feed, news, log } = options;
  const { stopping: signal } = shard;
  try {
    return await retryUntilDone(
      async () => {
        await releaseWhileAway(shard);
        if (mayWait && !feed.holds(resume)) await waitForTurn(options, resume, signal);
        return await feed.open(resume);
      },
      {
        signal,
        firstWaitMs: 100,
        longestWaitMs: 10_000,
        onWait: ({ error, waitMs }) => {
          news.waits(error, waitMs);
          log.warn({ err: error, waitMs }, 'the Redis server cannot be followed yet');
        },
      },
    );
  } catch (error) {
    if (signal.aborted) return undefined;
    const mayFallBack = options.mode === 'auto' && error instanceof AfterwriteError && error.code === 'REDIS_NO_PSYNC';
    if (mayFallBack) return error;
    throw error;
  }
}

/** A shard whose servers went to others gives them its slots: no link will tell it to. */
async function releaseWhileAway(shard: Shard): Promise<void> {
  const { slots, committer, progress, held } = shard;
  if (slots === undefined || !held.isEmpty || !(await slots.whileAway())) return;
  await decideSlots(shard, slots, () => committer.cut(placeOf(shard, progress.offset, progress), performance.now()));
  await committer.settled();
}

/** Waits as long as a full resync has to, unless the server can do without one. */
async function waitForTurn(options: LinkOptions, resume: ResumePoint | null, signal: AbortSignal): Promise<void> {
  const { pace, redis, news, log } = options;
  if (pace.waitMs() === 0 || (resume !== null && (await redis.goesOn(resume)))) return;
  const waitMs = pace.waitMs();
  news.pauses(waitMs);
  log.warn({ waitMs }, 'a full resync waits: it follows others too soon');
  await wait(waitMs, undefined, { signal });
}

/** One link from the answer to PSYNC to its end. */
async function followLink(shard: Shard, session: ReplicationSession, options: LinkOptions): Promise<LinkEnd> {
  const { progress, captures, reads = captures, recorder, held } = shard;
  const { answer } = session;
  const { ignoreCommands } = options;
  options.news.link(answer.kind, answer.replid, answer.offset);
  if (answer.kind === 'full') held.clear();
  else if (answer.replid !== progress.replid) {
    held.forgetValues();
    await shard.redoEffects?.();
  }
  shard.clock.follow(answer.replid, answer.replid === shard.clockFloor.replid ? shard.clockFloor.ms : 0);
  let rest = Buffer.alloc(0);
  if (answer.kind === 'full') {
    await options.pace.began();
    try {
      const read = await readSnapshot(shard, session, answer, new RdbDecoder({ captures: reads }));
      if (!Buffer.isBuffer(read)) return read;
      rest = Buffer.from(read);
    } finally {
      await options.pace.ended();
    }
  }
  progress.replid = answer.replid;
  recorder.replid = answer.replid;
  shard.filler?.follow(answer.replid);
  const { offset, db, inTransaction } = progress;
  const decoder = new CommandDecoder({ captures: reads, ignoreCommands, offset, db, inTransaction });
  decoder.push(rest);
  return await followStream(shard, session, decoder);
}
