import type { AfterwriteError } from '../ops/errors/index.ts';
import type { Logger } from '../ops/logging.ts';
import type { KeyEventNews } from './key-event-news.ts';
import type { ShardMetrics } from './metrics.ts';
import type { EffectsNews } from './operations/effects.ts';
import type { RecorderNews } from './record/recorder.ts';
import type { ReplicationStatus } from './replication-status.ts';
import type { ShardNews } from './shard.ts';
import type { WriteThroughNews } from './write-through/decider.ts';

/** What a pipeline tells its surroundings. */
export interface PipelineNews extends ShardNews, RecorderNews, KeyEventNews, EffectsNews, WriteThroughNews {
  /** The server refuses to replicate, and is followed by its key events instead. */
  fallsBack(refusal: AfterwriteError): void;
  /** The Redis server cannot be followed now; it is tried again after so many ms. */
  waits(error: AfterwriteError, waitMs: number): void;
  /** A full resync waits so many ms, because it follows others too soon. */
  pauses(waitMs: number): void;
  /**
   * A Kafka transaction was committed: the stream's offset, the one up to which all is published (keys are read beside the
   * stream), its records and bytes.
   */
  committed(place: { offset: number; publishedUpTo: number }, records: number, bytes: number): void;
  /** A link was opened, or a full resync asked for. */
  link(event: 'continue' | 'full', replid: string, offset: number): void;
}

/** What a pipeline tells, as logs, metrics and the shard's status. `committed` is called at each commit, too. */
export function newsTo(
  log: Logger,
  metrics: ShardMetrics,
  status: ReplicationStatus,
  committed: () => void,
  fellBack: (refusal: AfterwriteError) => void,
): PipelineNews {
  let replid = '';
  return {
    ...keyEventNews(log, metrics, status),
    fallsBack: (refusal) => {
      log.warn(
        { err: refusal },
        'the server does not replicate to this user: it is followed by its key events instead',
      );
      fellBack(refusal);
    },
    commands: (count) => {
      metrics.commands(count);
    },
    upToDate: (stream, offset) => {
      status.lag.published(stream, offset);
    },
    event: (mapping, op) => {
      metrics.event(mapping, op);
    },
    removal: (mapping, { cause, policy }) => {
      metrics.removal(mapping, cause, policy);
    },
    rejected: (mapping, db, key, problem) => {
      metrics.deadLetter(mapping);
      log.warn({ mapping, db, key, problem }, 'a hash cannot be a row; it is a dead letter');
    },
    flushed: (db, slots) => {
      log.warn({ db, slots }, 'the server was flushed; the policy of the cause `flushed` applies to all these rows');
    },
    keyRead: (reason) => {
      metrics.keyRead();
      log.debug({ reason }, 'a key was read beside the stream');
    },
    writtenThrough: (mapping, verdict) => {
      metrics.writeThrough(mapping, verdict);
    },
    writeThroughWaits: (error) => {
      log.warn({ err: error }, 'staged writes wait: their verdicts cannot be written to Redis');
    },
    filling: (mapping, keys) => {
      status.filling(mapping, keys);
    },
    fillWaits: (error, waitMs) => {
      log.warn({ err: error, waitMs }, 'the keys of a mapping cannot be read yet; the stream goes on');
    },
    filled: (mapping, keys, missing) => {
      status.filling(undefined, 0);
      log.info({ mapping, keys, missing }, 'the mapping is filled');
    },
    effectsWait: (error, waitMs) => {
      log.warn({ err: error, waitMs }, 'the Redis master cannot be asked for what operations want; the stream goes on');
    },
    unacknowledged: (key, error) => {
      log.warn({ err: error, key: key.toString() }, 'a command cannot be acknowledged');
    },
    effectsWaiting: (count) => {
      metrics.effectsWaiting(count);
    },
    waits: (error, waitMs) => {
      status.trouble = error.message;
      status.waits(waitMs);
    },
    pauses: (waitMs) => {
      status.waits(waitMs);
    },
    link: (answer, stream, offset) => {
      status.trouble = undefined;
      replid = stream;
      status.way = { mode: 'replication', reason: 'the server replicates' };
      metrics.mode(status.way);
      metrics.link(answer);
      if (answer === 'continue') status.offset = offset;
      else status.filling(undefined, 0);
      log.info({ answer, replid, offset }, answer === 'full' ? 'full resync' : 'the stream goes on');
    },
    snapshotProgress: (bytes, total) => {
      status.snapshotProgress(bytes, total);
    },
    snapshotRead: (facts) => {
      log.info(facts, 'the snapshot is read');
    },
    committed: ({ offset, publishedUpTo }, records, bytes) => {
      status.offset = offset;
      status.trouble = undefined;
      status.lag.published(replid, publishedUpTo);
      metrics.committed(offset, records, bytes);
      committed();
    },
  };
}

function keyEventNews(log: Logger, metrics: ShardMetrics, status: ReplicationStatus): KeyEventNews {
  const counts = metrics.keyEvents;
  return {
    ...counts,
    subscribing: (levels) => {
      counts.subscribing(levels);
      status.keys = levels;
      status.enter('subscribing');
    },
    comparing: (reason) => {
      log.info({ reason }, 'all keys are compared with what was published');
      if (reason === 'start') status.enter('comparing');
    },
    compared: (facts) => {
      counts.compared(facts);
      const { reason, unheard } = facts;
      if (unheard === 0 || reason === 'start') log.info(facts, 'all keys are compared');
      else log.warn(facts, 'a comparison found changes that no event had told of');
    },
    following: () => {
      status.trouble = undefined;
      status.enter('following');
    },
    warn: (facts, message) => {
      log.warn(facts, message);
    },
    lost: (error) => {
      counts.lost(error);
      status.trouble = error?.message;
    },
  };
}
