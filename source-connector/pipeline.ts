import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ResolveKafkaConnection } from '../clients/kafka/index.ts';
import { ClusterMasters, OneMaster } from '../clients/redis/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import type { Logger } from '../ops/logging.ts';
import { EnvelopeEncoder, KeyEncoder, type SchemaRegistry } from '../schemas/index.ts';
import type { ClusterMember } from './cluster/member.ts';
import type { SlotTokens } from './cluster/slot-tokens.ts';
import type { MasterClock } from './capture/clock.ts';
import type { Feed } from './capture/feed.ts';
import { FencedReader } from './capture/fenced-reader.ts';
import type { Followed } from './capture/followed.ts';
import { KeyspaceReader } from './capture/keyspace-reader.ts';
import { ResyncPace } from './capture/resync-pace.ts';
import { Committer, type CommitLimits, type Place } from './committer.ts';
import { captureOf, type Contract } from './contract.ts';
import { keySlot } from './decode/key-slot.ts';
import { beginFills } from './fill/begin.ts';
import { NOTHING_TO_FILL, planFills, type FillPlan } from './fill/plan.ts';
import { fillingOf } from './fill/wiring.ts';
import type { KeyPlace } from './fold/change.ts';
import { Fold } from './fold/fold.ts';
import { HeldKeys } from './held-keys.ts';
import { carryKeyEvents, type KeyEventOptions } from './key-events.ts';
import type { KeyEventSettings } from './key-follower.ts';
import { Effects } from './operations/effects.ts';
import { pendingEffects } from './operations/pending-effects.ts';
import { followLinks, type SourceMode } from './links.ts';
import type { PipelineNews } from './news.ts';
import { checkVersions } from './mapping-version.ts';
import { decodePosition, publishedUpTo, type Position } from './position.ts';
import { describeProblem, MappingView } from './record/mapping-view.ts';
import { Recorder } from './record/recorder.ts';
import { createSender } from './send/kafkajs-sender.ts';
import type { TransactionalSender } from './send/port.ts';
import type { Breaker, Progress, Shard } from './shard.ts';
import { SlotMoves, tokensOf } from './slot-moves.ts';
import { readPublishedSlots } from './published-slots.ts';
import { recoverState } from './rebuild.ts';
import type { StateStore } from './state/port.ts';
import type { Decider } from './write-through/decider.ts';
import { deciderOf, writeThroughOf } from './written-through.ts';

/** The tag of a state that is not to be found, so that it is rebuilt. */
const NO_STATE = { logId: 'rebuilt', sequence: 1 };
/** How often it is looked whether a batch has room again, ms. */
const ROOM_MS = 10;

/** Everything a shard's pipeline is made of. */
export interface PipelineOptions {
  readonly pipeline: string;
  readonly shard: number;
  readonly topics: { readonly positions: string; readonly marks: string; readonly deadLetters: string };
  readonly contracts: readonly Contract[];
  /** Of a shard of a cluster: how it asks about the others. */
  readonly cluster?: ClusterMember | undefined;
  readonly kafka: ResolveKafkaConnection;
  readonly redis: Followed;
  /** Both outlive the pipeline: the link goes on, and what is proven of the master's clock stays. */
  readonly feed: Feed;
  readonly clock: MasterClock;
  readonly registry: SchemaRegistry;
  readonly stateFolder: string;
  readonly limits: CommitLimits;
  readonly maxRecordBytes: number;
  readonly ignoreCommands: ReadonlySet<string>;
  readonly breaker: Breaker;
  /** How the server is followed; `auto` tries replication, and takes notifications where the server refuses that. */
  readonly mode: SourceMode;
  readonly notifications: KeyEventSettings;
  /** Whether to begin with a full resync, wherever the position stands. */
  readonly resync: boolean;
  readonly news: PipelineNews;
  readonly log: Logger;
}

/**
 * One life of a shard: claim the transactional id, read the position, recover the state to it, and carry the stream
 * (capture → decode → fold → record → send) until `stopping` is aborted. Throws when the life cannot go on; what of it
 * counts is what Kafka has committed, and the next life begins with that.
 */
export async function runPipeline(options: PipelineOptions, stopping: AbortSignal): Promise<void> {
  const { pipeline, shard, kafka, redis, maxRecordBytes, news, log } = options;
  const sender = createSender({ resolve: kafka, pipeline, shard, maxRecordBytes, logger: log });
  const reader = new FencedReader(redis.readable, options.cluster === undefined ? undefined : ['READONLY']);
  try {
    const claimed = await sender.claim();
    const position = claimed === null ? null : decodePosition(claimed, options.topics.positions, shard);
    if (position !== null) checkVersions(options.contracts, position);
    checkKind(position, options);
    const tokens = options.cluster && tokensOf(shard, options.cluster, position?.slots);
    const isOurs = tokens && ((key: Buffer): boolean => tokens.owns(keySlot(key)));
    const asked = position === null ? NOTHING_TO_FILL : planFills(options.contracts, position);
    const rebuild = { ...options, marksTopic: options.topics.marks, isOurs };
    // Keys of a cluster are not read beside the stream: what is published of another mapping, the topics tell.
    const isChanged = tokens !== undefined && Object.keys(asked.fills).length > 0;
    const tag = isChanged ? NO_STATE : (position?.log ?? null);
    const { store, recovered } = await recoverState(options.stateFolder, tag, rebuild, log);
    const pace = await ResyncPace.open({ file: join(options.stateFolder, 'full-resyncs.json') });
    const plan = recovered ? asked : NOTHING_TO_FILL;
    const goesOn = recovered && position?.mode === 'replication' && !position.snapshot && !options.resync;
    const effects = effectsOf(options, stopping);
    const { decider, ...wired } = wire({
      options,
      state: store,
      position,
      goesOn,
      stopping,
      sender,
      reader,
      plan,
      tokens,
      effects,
    });
    try {
      if (position !== null) await beginFills(wired, plan, position, rebuild);
      await wired.slots?.start();
      await wired.redoEffects?.();
      decider?.start();
      if (options.mode !== 'notifications' || options.cluster !== undefined) {
        const refusal = await followLinks(wired, { ...options, pace }, goesOn, position?.begun ?? false);
        if (refusal === undefined) return;
        // Key events do not tell a key that moves from one that goes.
        if (options.cluster !== undefined) throw refusal;
        if (effects !== undefined) throw withoutOperations(refusal);
        news.fallsBack(refusal);
        // A session of key events compares all keys.
        wired.filler?.endAll();
        wired.held.clear();
        await carryKeyEvents(wired, keyEvents(options, false)).catch((error: unknown) => {
          throw neitherWay(refusal, error);
        });
      } else {
        wired.filler?.endAll();
        wired.held.clear();
        await carryKeyEvents(wired, keyEvents(options, true));
      }
    } finally {
      // A commit under way still needs the log and the producer, and holds the process up until it has settled.
      await wired.committer.underway;
      await effects?.close();
      await decider?.close();
      wired.filler?.close();
      await wired.slots?.close();
      await store.close();
    }
  } finally {
    reader.close();
    await sender.close();
  }
}

interface Parts {
  readonly options: PipelineOptions;
  readonly state: StateStore;
  readonly position: Position | null;
  /** Whether the stream may be followed from the position on. */
  readonly goesOn: boolean;
  readonly sender: TransactionalSender;
  readonly reader: FencedReader;
  readonly plan: FillPlan;
  readonly stopping: AbortSignal;
  readonly tokens: SlotTokens | undefined;
  readonly effects: Effects | undefined;
}

/** What operations do in Redis; undefined where no mapping has operations. */
function effectsOf(options: PipelineOptions, stopping: AbortSignal): Effects | undefined {
  const { contracts, redis, cluster, news } = options;
  if (!contracts.some(({ mapping }) => mapping.operations)) return undefined;
  const masters = cluster === undefined ? new OneMaster(redis.endpoint) : new ClusterMasters(() => cluster.seeds());
  return new Effects(masters, news, stopping);
}

/** Key events tell neither an operation that another one follows at once, nor its id. */
function withoutOperations({ code, what, where }: AfterwriteError): AfterwriteError {
  const remedy = 'A mapping with operations: true needs replication: let the user replicate, or take operations away.';
  return new AfterwriteError(code, what, { where, remedy });
}

/** A pipeline's positions are those of one server or of a cluster. */
function checkKind(position: Position | null, { cluster, topics, shard }: PipelineOptions): void {
  if (position === null || (position.slots === undefined) === (cluster === undefined)) return;
  const [was, is] = cluster === undefined ? ['a cluster', 'one server'] : ['one server', 'a cluster'];
  throw new AfterwriteError('CLUSTER_CHANGED', `the pipeline captured ${was}, and now is to capture ${is}`, {
    where: { topic: topics.positions, partition: shard },
  });
}

/** A shard, and what goes on beside its stream. */
interface Wired extends Shard {
  readonly decider: Decider | undefined;
}

/** Makes the stages and ties them together. */
function wire(parts: Parts): Wired {
  const { options, state, position, goesOn, sender, reader, stopping, plan, tokens, effects } = parts;
  const { pipeline, shard, topics, contracts, maxRecordBytes, news, clock, feed } = options;
  const views = contracts.map((contract) => mappingView(contract, options));
  const committed = (place: Place, records: number, bytes: number): void => {
    feed.committed(place.replid, place.offset);
    clock.passed(place.offset);
    decider?.committed(place.version);
    news.committed({ offset: place.offset, publishedUpTo: publishedUpTo(place) }, records, bytes);
  };
  const committer = new Committer(sender, state, options.limits, performance.now(), committed, effects);
  const recorder = new Recorder({
    pipeline,
    shard,
    topics,
    maxRecordBytes,
    version: position?.version ?? 0,
    batch: () => committer.batch,
    effect: (effect) => effects?.add(committer.batch, effect),
    news,
  });
  const viewOf = (db: number, key: Buffer): MappingView | undefined => views.find((view) => view.captures(db, key));
  const { mode, replid, offset, db, inTransaction } = position ?? NOWHERE;
  const progress = { mode, replid, offset, db, inTransaction, snapshot: position?.snapshot ?? false };
  const slots = slotsOfShard({ options, state, committer, tokens, viewOf, recorder, progress });
  const lookUp =
    slots === undefined
      ? viewOf
      : (db: number, key: Buffer): MappingView | undefined => (slots.publishes(key) ? viewOf(db, key) : undefined);
  const captures = captureOf(contracts.map(({ mapping }) => mapping));
  let isUnread = (_db: number, _key: Buffer): boolean => false;
  const through = writeThroughOf(contracts, state, recorder, (...key) => isUnread(...key));
  const version = position?.version ?? 0;
  const decider = through && deciderOf(through.writes, options.redis, viewOf, { version, news, stopping });
  const fold = new Fold({
    state,
    captures,
    viewOf: lookUp,
    output: recorder,
    placeOf: slots && ((key): KeyPlace => slots.placeOf(key)),
    through,
  });
  recorder.replid = replid;
  const { isUnread: unread, ...filling } = fillingOf(plan, contracts, new KeyspaceReader(options.redis.endpoint), {
    state,
    fold,
    captures,
    journal: recorder,
  });
  // A full resync, and a comparison of all keys, read what is held, too.
  const held = HeldKeys.saved(goesOn ? (position?.held ?? []) : [], captures);
  isUnread = (...key) => held.has(...key) || unread(...key);
  return {
    state,
    ...filling,
    left: plan.left,
    recorder,
    committer,
    captures,
    reads: captureOf(
      contracts.map(({ mapping }) => mapping),
      { staged: true },
    ),
    decider,
    // What leaves is not judged here.
    policiesOf: (db, key) => (slots?.placeOf(key) === 'leaving' ? undefined : lookUp(db, key)),
    clock,
    readKeys: (...place) => reader.read(...place),
    held,
    clockFloor: { replid, ms: position?.clock ?? 0 },
    progress,
    mappings: Object.fromEntries(contracts.map(({ mapping, frozen }) => [mapping.name, frozen])),
    breaker: options.breaker,
    slots,
    unitLimit: options.limits.records,
    stopping,
    told: news,
    redoEffects: async () => {
      if (effects !== undefined) await pendingEffects(state, lookUp, recorder, effects);
    },
  };
}

/** Where a shard stands that has no position. */
const NOWHERE = { mode: 'replication', replid: '', offset: 0, db: 0, inTransaction: false } as const;

function slotsOfShard(parts: {
  options: PipelineOptions;
  state: StateStore;
  committer: Committer;
  tokens: SlotTokens | undefined;
  viewOf: (db: number, key: Buffer) => MappingView | undefined;
  recorder: Recorder;
  progress: Progress;
}): SlotMoves | undefined {
  const { options, state, committer, tokens, viewOf, recorder, progress } = parts;
  const { cluster: member, topics, log } = options;
  if (tokens === undefined || member === undefined) return undefined;
  const mark = (db: number, key: Buffer, bytes: Buffer | null): void => {
    const view = viewOf(db, key);
    if (view !== undefined) recorder.marked(view, db, key, bytes);
  };
  const room = async (signal: AbortSignal): Promise<void> => {
    while (committer.full || progress.snapshot) await wait(ROOM_MS, undefined, { signal });
  };
  const reading = { ...options, marksTopic: topics.marks, state, mark, room };
  const readPublished = (...how: [ReadonlySet<number>, ReadonlySet<number>, AbortSignal]): Promise<void> =>
    readPublishedSlots(reading, ...how);
  return new SlotMoves({ tokens, member, state, readPublished, log });
}

function mappingView({ mapping, keySchemaId, valueSchemaId, frozen }: Contract, options: PipelineOptions): MappingView {
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

/** Following the server by its key events, where that was configured or is all that the server lets do. */
function keyEvents(options: PipelineOptions, patient: boolean): KeyEventOptions {
  const { redis, contracts, notifications: settings, news, log } = options;
  const prefixes = contracts.map(({ mapping }) => ({ db: mapping.database, prefix: mapping.key.prefix.toString() }));
  const waits = (error: AfterwriteError, waitMs: number): void => {
    news.waits(error, waitMs);
  };
  return { redis: () => redis.choose(null), prefixes, settings, told: news, patient, waits, log };
}

/** What to tell a person when the server neither replicates to the user nor lets it hear key events: both. */
function neitherWay(refusal: AfterwriteError, error: unknown): unknown {
  const isFinal = error instanceof AfterwriteError && ['REDIS_NO_PERMISSION', 'NOTIFICATIONS_OFF'].includes(error.code);
  if (!isFinal) return error;
  const { code, where } = refusal;
  const what = `${refusal.what}, and its key events cannot be followed either: ${error.what}`;
  return new AfterwriteError(code, what, { where, cause: error });
}
