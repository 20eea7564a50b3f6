import { setTimeout as wait } from 'node:timers/promises';
import type { ResolveKafkaConnection } from '../clients/kafka/index.ts';
import type { ResolveEndpoint } from '../clients/redis/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import type { Logger } from '../ops/logging.ts';
import { retryUntilDone } from '../ops/retry.ts';
import { EnvelopeEncoder, KeyEncoder, type SchemaRegistry } from '../schemas/index.ts';
import { MasterClock } from './capture/clock.ts';
import { FencedReader } from './capture/fenced-reader.ts';
import { ServerWatch, type BacklogFacts } from './capture/server-watch.ts';
import { openSession } from './capture/link.ts';
import type { ReplicationSession, ReplicationState, ResumePoint } from './capture/session.ts';
import { Committer, type CommitLimits } from './committer.ts';
import { captureOf, sameMappings, type Contract } from './contract.ts';
import { RdbDecoder } from './decode/rdb.ts';
import { CommandDecoder } from './decode/stream.ts';
import { Fold } from './fold/fold.ts';
import { decodePosition, type Position } from './position.ts';
import { describeProblem, MappingView } from './record/mapping-view.ts';
import { Recorder, type RecorderNews } from './record/recorder.ts';
import { createSender } from './send/kafkajs-sender.ts';
import type { TransactionalSender } from './send/port.ts';
import type { Breaker, LinkEnd, Shard, ShardNews } from './shard.ts';
import { recoverState } from './rebuild.ts';
import { readSnapshot } from './snapshot.ts';
import type { StateStore } from './state/port.ts';
import { followStream } from './stream.ts';

/** Everything a shard's pipeline is made of. */
export interface PipelineOptions {
  readonly pipeline: string;
  readonly shard: number;
  readonly topics: { readonly positions: string; readonly marks: string; readonly deadLetters: string };
  readonly contracts: readonly Contract[];
  readonly kafka: ResolveKafkaConnection;
  readonly redis: ResolveEndpoint;
  readonly registry: SchemaRegistry;
  readonly stateFolder: string;
  readonly limits: CommitLimits;
  readonly maxRecordBytes: number;
  readonly ignoreCommands: ReadonlySet<string>;
  readonly breaker: Breaker;
  /** How long a link may be down, in ms, before the backlog has to be large enough for it. */
  readonly toleratedOutageMs: number;
  /** Whether to begin with a full resync, wherever the position stands. */
  readonly resync: boolean;
  readonly news: PipelineNews;
  readonly log: Logger;
}

export interface PipelineNews extends ShardNews, RecorderNews {
  readonly state: (state: ReplicationState) => void;
  backlog(facts: BacklogFacts): void;
  /** The Redis server cannot be followed now; it is tried again. */
  waits(error: AfterwriteError): void;
  /** A Kafka transaction was committed: the stream's offset, its records and bytes. */
  committed(offset: number, records: number, bytes: number): void;
  /** A link was opened, or a full resync asked for. */
  link(event: 'continue' | 'full', replid: string, offset: number): void;
}

/** A full resync costs the master a fork: after the first, each waits twice as long as the one before, ms. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 60_000;
/** After this long without another one, the next full resync does not wait, ms. */
const CALM = 300_000;

/**
 * One life of a shard: claim the transactional id, read the position, recover the state to it, and carry the stream
 * (capture → decode → fold → record → send) until `stopping` is aborted. Throws when the life cannot go on; what of it
 * counts is what Kafka has committed, and the next life begins with that.
 */
export async function runPipeline(options: PipelineOptions, stopping: AbortSignal): Promise<void> {
  const { pipeline, shard, kafka, redis, maxRecordBytes, log } = options;
  const sender = createSender({ resolve: kafka, pipeline, shard, maxRecordBytes, logger: log });
  const onWarning = (message: string): void => {
    log.warn(message);
  };
  const clock = new MasterClock({ endpoint: redis, onWarning });
  const reader = new FencedReader(redis);
  const watch = new ServerWatch({
    endpoint: redis,
    toleratedOutageMs: options.toleratedOutageMs,
    onWarning,
    onBacklog: (facts) => {
      options.news.backlog(facts);
    },
  });
  try {
    const claimed = await sender.claim();
    const position = claimed === null ? null : decodePosition(claimed, options.topics.positions, shard);
    const agrees = position !== null && sameMappings(options.contracts, position);
    const goesOn = agrees && !position.snapshot && !options.resync;
    const rebuild = { ...options, marksTopic: options.topics.marks };
    const { store, recovered } = await recoverState(options.stateFolder, position?.log ?? null, rebuild, log);
    clock.start();
    watch.start();
    const wired = wire({ options, state: store, position, stopping, sender, clock, reader });
    try {
      await carry(wired, options, goesOn && recovered, position?.begun ?? false);
    } finally {
      // A commit under way still needs the log and the producer, and holds the process up until it has settled.
      await wired.committer.underway;
      await store.close();
    }
  } finally {
    reader.close();
    await watch.close();
    await clock.close();
    await sender.close();
  }
}

interface Parts {
  readonly options: PipelineOptions;
  readonly state: StateStore;
  readonly position: Position | null;
  readonly sender: TransactionalSender;
  readonly clock: MasterClock;
  readonly reader: FencedReader;
  readonly stopping: AbortSignal;
}

/** Makes the stages and ties them together. */
function wire({ options, state, position, sender, clock, reader, stopping }: Parts): Shard {
  const { pipeline, shard, topics, contracts, maxRecordBytes, news } = options;
  const views = contracts.map((contract) => viewOf(contract, options));
  const lookUp = (db: number, key: Buffer): MappingView | undefined => views.find((view) => view.captures(db, key));
  const committer = new Committer(sender, state, options.limits, performance.now(), (place, records, bytes) => {
    news.committed(place.offset, records, bytes);
  });
  const recorder = new Recorder({
    pipeline,
    shard,
    topics,
    maxRecordBytes,
    version: position?.version ?? 0,
    batch: () => committer.batch,
    news,
  });
  const captures = captureOf(contracts.map(({ mapping }) => mapping));
  const fold = new Fold({ state, captures, viewOf: lookUp, output: recorder });
  const { replid, offset, db, inTransaction } = position ?? { replid: '', offset: 0, db: 0, inTransaction: false };
  recorder.replid = replid;
  return {
    state,
    fold,
    recorder,
    committer,
    captures,
    policiesOf: lookUp,
    clock,
    readKey: (...place) => reader.read(...place),
    clockFloor: { replid, ms: position?.clock ?? 0 },
    progress: { replid, offset, db, inTransaction, snapshot: position?.snapshot ?? false },
    mappings: Object.fromEntries(contracts.map(({ mapping, frozen }) => [mapping.name, frozen])),
    breaker: options.breaker,
    unitLimit: options.limits.records,
    stopping,
    told: news,
  };
}

function viewOf({ mapping, keySchemaId, valueSchemaId, frozen }: Contract, options: PipelineOptions): MappingView {
  return new MappingView({
    mapping,
    keys: new KeyEncoder(mapping, keySchemaId),
    envelopes: new EnvelopeEncoder(mapping, valueSchemaId),
    valueSchemaId,
    partitions: frozen.partitions,
    maxRecordBytes: options.maxRecordBytes,
    stop: (key, problem) => {
      throw new AfterwriteError('BAD_VALUE', describeProblem(problem), {
        where: { mapping: mapping.name, key: key.toString() },
      });
    },
  });
}

/** Opens link after link, each where the one before ended, or with a full resync where that is not possible. */
async function carry(shard: Shard, options: PipelineOptions, goesOn: boolean, begun: boolean): Promise<void> {
  const { progress, stopping } = shard;
  let resume = goesOn;
  // A command that was begun but not finished counts on its own stream only: a promoted replica may never have had it.
  let unfinishedOn = begun ? progress.replid : undefined;
  let resyncWait = 0;
  let lastResync = -Infinity;
  for (;;) {
    const session = await connect(
      options,
      resume ? { replid: progress.replid, offset: progress.offset } : null,
      stopping,
    );
    if (session === undefined) return;
    try {
      const { answer } = session;
      if (answer.kind === 'continue' && unfinishedOn !== undefined && answer.replid !== unfinishedOn) {
        resume = false;
        continue;
      }
      unfinishedOn = undefined;
      const end = await followLink(shard, session, options);
      if (end === 'stopped') return;
      resume = !progress.snapshot;
      if (typeof end === 'object') {
        resume = false;
        const key = end.key.toString();
        options.log.warn(
          { reason: end.reason, db: end.db, key, waitMs: resyncWait },
          'the stream does not say enough; a full resync will',
        );
      } else {
        options.log.warn({ reason: session.brokenBy?.message, offset: progress.offset }, 'the link to Redis broke');
      }
      if (!resume) {
        if (performance.now() - lastResync > CALM) resyncWait = 0;
        lastResync = performance.now();
        await pause(resyncWait, stopping);
        resyncWait = resyncWait === 0 ? FIRST_WAIT : Math.min(resyncWait * 2, LONGEST_WAIT);
      }
    } finally {
      session.close();
    }
  }
}

/** Opens the next link, however long that takes; undefined when the shard is to stop. */
async function connect(
  options: PipelineOptions,
  resume: ResumePoint | null,
  signal: AbortSignal,
): Promise<ReplicationSession | undefined> {
  try {
    return await retryUntilDone(
      () => openSession({ endpoint: options.redis, onState: options.news.state }, resume, signal),
      {
        signal,
        firstWaitMs: 100,
        longestWaitMs: 10_000,
        onWait: ({ error, waitMs }) => {
          options.news.waits(error);
          options.log.warn({ err: error, waitMs }, 'the Redis server cannot be followed yet');
        },
      },
    );
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** One link from the answer to PSYNC to its end. */
async function followLink(shard: Shard, session: ReplicationSession, options: PipelineOptions): Promise<LinkEnd> {
  const { progress, captures, recorder } = shard;
  const { answer } = session;
  const { ignoreCommands } = options;
  options.news.link(answer.kind, answer.replid, answer.offset);
  shard.clock.follow(answer.replid, answer.replid === shard.clockFloor.replid ? shard.clockFloor.ms : 0);
  let rest = Buffer.alloc(0);
  if (answer.kind === 'full') {
    const read = await readSnapshot(shard, session, answer, new RdbDecoder({ captures }));
    if (!Buffer.isBuffer(read)) return read;
    rest = Buffer.from(read);
  }
  progress.replid = answer.replid;
  recorder.replid = answer.replid;
  const { offset, db, inTransaction } = progress;
  const decoder = new CommandDecoder({ captures, ignoreCommands, offset, db, inTransaction });
  decoder.push(rest);
  return await followStream(shard, session, decoder);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}
