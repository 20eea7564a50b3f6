import { ensureTopics, withAdmin, type MemberClaims } from '../clients/kafka/index.ts';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import type { PartStatus, PartStatuses } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import { retryUntilDone } from '../ops/retry.ts';
import { WorkSet } from '../ops/work-set.ts';
import type { Mapping } from '../schemas/index.ts';
import { agreeOnSchemas, type Contract } from './contract.ts';
import { ShardMetrics, sourceMetrics, type SourceMetrics } from './metrics.ts';
import type { ShardDirectory, ShardPlace } from './shard-directory.ts';
import { ShardWorker, type ShardSettings } from './shard-worker.ts';
import { SourceGroup } from './source-group.ts';
import { shardsOnDisk, WorkerFolder } from './worker-folder.ts';
import { topicSpecs, type TopicSettings } from './topic-specs.ts';

/** What a source worker needs; connections resolve their secrets anew at each attempt. */
export interface SourceWorkerOptions extends ShardSettings {
  readonly directory: ShardDirectory;
  readonly mappings: readonly Mapping[];
  readonly topics: TopicSettings;
  /** The consumer group that spreads the shards over the workers. */
  readonly group: { readonly name: string; readonly sessionTimeoutMs: number };
  /** Whether its shards begin with a full resync, wherever the committed positions stand; not unless told. */
  readonly resync?: boolean;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * One of the workers that share a source's shards. Each shard that the group gives it runs by itself, and one that stops
 * for a person lets the others go on.
 */
export class SourceWorker {
  readonly #options: SourceWorkerOptions;
  readonly #metrics: SourceMetrics;
  readonly #stopping = new AbortController();
  readonly #set = new WorkSet<ShardPlace>((place, signal) => this.#carry(place, signal));
  readonly #shards = new Map<number, ShardWorker>();
  /** Shards that were run in this process: a resync that was asked for is made once. */
  readonly #begun = new Set<number>();
  /** When it last had a shard, ms since the epoch; for one that it has, since when. */
  #had = new Map<number, number>();
  /** Which shards there are, and which of them are this worker's; undefined until that is known. */
  #places: readonly ShardPlace[] | undefined;
  #assigned: ReadonlySet<number> | undefined;
  #group: SourceGroup | undefined;
  /** Rejects when no shard runs any more, since each waits for a person. */
  readonly #failure: Promise<never>;
  #fail: (error: unknown) => void = () => undefined;
  #running: Promise<void> | undefined;
  #agreeing: Promise<readonly Contract[]> | undefined;
  /** What it waits for as a whole, by what it does. */
  readonly #troubles = new Map<string, string>();
  /** What it has stopped at. */
  #failed: string | undefined;

  constructor(options: SourceWorkerOptions) {
    this.#options = options;
    this.#metrics = sourceMetrics(options.metrics);
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It may come when nobody waits for it any more.
    this.#failure.catch(() => undefined);
  }

  /** Runs until `stop`, and rejects when a person has to act before any shard can go on. @throws AfterwriteError */
  run(): Promise<void> {
    this.#running ??= this.#work();
    return this.#running;
  }

  /** Commits what was read as whole, hands the shards over, and closes everything. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
  }

  /** Not ok when a person must act; for /healthz. */
  health(): PartStatuses {
    return this.#statuses(this.#failed, (shard) => shard.health());
  }

  /** Whether it is a member of the group, and all of its shards follow their streams; for /readyz. */
  ready(): PartStatuses {
    return this.#statuses(this.#failed ?? this.#trouble(), (shard) => shard.ready());
  }

  #trouble(): string | undefined {
    const [trouble] = this.#troubles.values();
    if (trouble !== undefined) return trouble;
    if (this.#assigned === undefined) return 'it has not joined the group of the source workers yet';
    return this.#places === undefined ? 'it is not known yet which shards there are' : undefined;
  }

  #statuses(reason: string | undefined, of: (shard: ShardWorker) => PartStatus): PartStatuses {
    const shards = [...this.#shards].sort(([a], [b]) => a - b);
    const details = { shards: shards.map(([shard]) => shard).join(' ') };
    // A worker without shards does what it is for: it waits for those of another one.
    const standby = shards.length === 0 ? { reason: 'standby: other workers have all shards' } : {};
    const own = reason === undefined ? { ok: true, ...standby, details } : { ok: false, reason, details };
    return { source: own, ...Object.fromEntries(shards.map(([shard, worker]) => [partOf(shard), of(worker)])) };
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    let folder: WorkerFolder | undefined;
    try {
      folder = await this.#takeFolder();
      await this.#persist('the source cannot begin yet', () => this.#agree());
      this.#group = this.#openGroup(folder);
      await Promise.race([this.#followDirectory(), this.#group.run(signal), this.#failure]);
    } catch (error) {
      if (signal.aborted) return;
      this.#failed = reasonOf(error);
      throw error;
    } finally {
      this.#stopping.abort();
      // Others get the shards when nothing is under way here any more.
      await this.#set.end();
      await this.#group?.leave();
      await folder?.release();
    }
  }

  /** Waits until no other living worker has the folder. One that cannot be used at all is its shards' trouble, not the group's. */
  async #takeFolder(): Promise<WorkerFolder | undefined> {
    const { stateFolder, log } = this.#options;
    const take = async (): Promise<WorkerFolder | undefined> => {
      try {
        return await WorkerFolder.take(stateFolder);
      } catch (error) {
        if (error instanceof AfterwriteError) throw error;
        log.warn({ err: error }, 'the state folder cannot be used');
        return undefined;
      }
    };
    const folder = await this.#persist('another worker has the state folder', take, 1000);
    this.#had = await shardsOnDisk(stateFolder);
    return folder;
  }

  #openGroup(folder: WorkerFolder | undefined): SourceGroup {
    const { kafka, group, topics, log } = this.#options;
    return new SourceGroup({
      kafka,
      group: group.name,
      topic: topics.positions,
      sessionTimeoutMs: group.sessionTimeoutMs,
      claims: () => this.#claims(),
      onAssigned: (shards) => {
        this.#assigned = shards;
        this.#reconcile();
      },
      onTrouble: (trouble) => {
        if (trouble === undefined) this.#troubles.delete('group');
        else this.#troubles.set('group', trouble);
      },
      predecessor: folder?.predecessor,
      onMember: (id) => {
        void folder?.remember(id);
      },
      log,
    });
  }

  #claims(): MemberClaims {
    return {
      busy: (this.#places ?? []).map(({ shard }) => shard),
      held: [...this.#had].map(([partition, since]) => ({ partition, running: this.#shards.has(partition), since })),
    };
  }

  /** Follows the shards that there are, until it is stopped. */
  async #followDirectory(): Promise<void> {
    const { directory } = this.#options;
    const { signal } = this.#stopping;
    let changed = false;
    let wake = (): void => undefined;
    const ring = (): void => {
      changed = true;
      wake();
    };
    const unsubscribe = directory.subscribe(ring);
    signal.addEventListener('abort', ring, { once: true });
    try {
      while (!signal.aborted) {
        changed = false;
        const what = 'it cannot be known yet which shards there are';
        this.#places = await this.#persist(what, () => directory.shards(signal));
        this.#reconcile();
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (changed) resolve();
        });
      }
    } finally {
      unsubscribe();
    }
  }

  /** Runs the shards that there are and that are this worker's, and no others. */
  #reconcile(): void {
    const { signal } = this.#stopping;
    const assigned = this.#assigned;
    if (this.#places === undefined || assigned === undefined || signal.aborted) return;
    const wanted = this.#places.filter(({ shard }) => assigned.has(shard));
    this.#set.take(new Map(wanted.map((place) => [String(place.shard), place])));
  }

  async #persist<T>(what: string, work: () => Promise<T>, longestWaitMs = 10_000): Promise<T> {
    const done = await retryUntilDone(work, {
      signal: this.#stopping.signal,
      longestWaitMs,
      onWait: ({ error, attempts, waitMs }) => {
        this.#troubles.set(what, error.message);
        this.#options.log.warn({ err: error, attempts, waitMs }, what);
      },
    });
    this.#troubles.delete(what);
    return done;
  }

  /** Works on one shard. Never rejects: one that stops lets the others go on. */
  async #carry(place: ShardPlace, signal: AbortSignal): Promise<void> {
    const { shard } = place;
    const log = this.#options.log.child({ shard });
    const metrics = new ShardMetrics(this.#metrics, shard);
    const worker = new ShardWorker({
      ...this.#options,
      place,
      agree: () => this.#agree(),
      mayClaim: async (until) => this.#group?.holds(until),
      operations: this.#options.mappings.some(({ operations }) => operations),
      resync: this.#options.resync === true && !this.#begun.has(shard),
      log,
      metrics,
      stopping: signal,
    });
    this.#begun.add(shard);
    this.#shards.set(shard, worker);
    this.#had.set(shard, Date.now());
    log.info('the shard is this worker’s');
    try {
      await worker.run();
    } catch (error) {
      if ([...this.#shards.values()].every(({ failed }) => failed)) this.#fail(error);
      else log.error({ err: error }, 'the shard has stopped: a person has to act');
      await aborted(signal);
    } finally {
      this.#had.set(shard, Date.now());
      // What a process ends with is still asked for.
      if (!this.#stopping.signal.aborted) {
        log.info('the shard is another worker’s, or gone');
        this.#shards.delete(shard);
        metrics.end();
      }
    }
  }

  /** Agrees with Kafka and the registry; all who ask at the same time wait for one answer. */
  async #agree(): Promise<readonly Contract[]> {
    this.#agreeing ??= this.#agreeOnce().finally(() => {
      this.#agreeing = undefined;
    });
    return await this.#agreeing;
  }

  async #agreeOnce(): Promise<readonly Contract[]> {
    const { mappings, kafka, registry, topics, log } = this.#options;
    await withAdmin({ resolve: kafka, logger: log }, (admin) => ensureTopics(admin, topicSpecs(mappings, topics)));
    return await agreeOnSchemas(mappings, topics.partitions, registry);
  }
}

/** The name of a shard's part on /healthz and /readyz. */
function partOf(shard: number): string {
  return `source shard ${shard}`;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
}
