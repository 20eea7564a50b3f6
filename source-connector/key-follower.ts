import { AfterwriteError } from '../ops/errors/index.ts';
import { fault } from '../ops/faults.ts';
import type { DirtyKeys } from './capture/dirty-keys.ts';
import type { KeyspaceSession, SilentCommands, WatchedPrefix } from './capture/keyspace.ts';
import type { KeyLevels } from './capture/replication-state.ts';
import { KeyComparison } from './key-comparison.ts';
import type { ComparisonReason, KeyEventNews } from './key-event-news.ts';
import { KeyReads } from './key-reads.ts';
import { placeOf, type Shard } from './shard.ts';

/** What users set of following key events. */
export interface KeyEventSettings {
  /** How often all keys are compared, ms. */
  readonly compareEveryMs: number;
  /** How many keys a second a comparison may ask the server for. */
  readonly keysPerSecond: number;
  /** Keys that may wait to be read. */
  readonly waitingKeys: number;
  /** How long a key waits for more changes before it is read, ms. */
  readonly lingerMs: number;
}

/** Keys that are read in one go. */
const PAGE = 200;
/** The server is asked this often whether it ran commands that tell no keys, and the subscription whether it lives, ms. */
const LOOK_EVERY = 2000;
/** Comparisons that something unheard asks for keep this distance, ms. */
const UNHEARD_EVERY = 5000;

interface RunningComparison {
  readonly of: KeyComparison;
  readonly pieces: AsyncGenerator<number, void>;
}

export interface KeyFollowerParts {
  readonly shard: Shard;
  readonly session: KeyspaceSession;
  readonly dirty: DirtyKeys;
  readonly prefixes: readonly WatchedPrefix[];
  readonly settings: KeyEventSettings;
  readonly told: KeyEventNews;
}

/** Follows a server by the events of its keys: compares all keys first, and then reads those that were told of. */
export class KeyFollower {
  readonly #parts: KeyFollowerParts;
  readonly #reads: KeyReads;
  #comparison: RunningComparison | undefined;
  #wanted: ComparisonReason | undefined = 'start';
  /** The next piece of a comparison, the next regular comparison, and others: ms of the monotonic clock. */
  #nextPieceAt = 0;
  #nextRegularAt = Infinity;
  #notBefore = 0;
  #nextLookAt = 0;
  /** What the server had counted when the last comparison began, and when the last one began that has ended. */
  #silent: SilentCommands | undefined;
  #silentBefore: SilentCommands | undefined;
  /** When the first key was told of that is folded and not in Kafka yet. */
  #foldedSince: number | undefined;
  #committingSince: number | undefined;
  #wake: (() => void) | undefined;
  #isFollowing = false;

  constructor(parts: KeyFollowerParts) {
    this.#parts = parts;
    this.#reads = new KeyReads(parts.shard, parts.session, parts.dirty, parts.told);
  }

  /** Whether the first comparison has ended, so that everything that the server held is published. */
  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** Something was told. */
  wake(): void {
    this.#wake?.();
  }

  levels(): KeyLevels {
    const { dirty } = this.#parts;
    const since = Math.min(this.#committingSince ?? Infinity, this.#foldedSince ?? Infinity, dirty.oldest ?? Infinity);
    return {
      waiting: dirty.size,
      lagMs: since === Infinity ? 0 : Math.max(0, Math.round(performance.now() - since)),
      compared: this.#comparison?.of.compared,
    };
  }

  /**
   * Follows until the session is over or the shard is to stop.
   * @throws AfterwriteError of the session, which then is its `brokenBy`; what made a commit fail; VANISHED_BREAKER
   */
  async follow(): Promise<'broken' | 'stopped'> {
    const { shard, session } = this.#parts;
    const { committer, stopping } = shard;
    const stop = (): void => {
      this.wake();
    };
    stopping.addEventListener('abort', stop);
    try {
      for (;;) {
        committer.check();
        if (stopping.aborted) return await this.#finish();
        if (!session.isOpen) return 'broken';
        const worked = [await this.#readDirty(), await this.#compare(), await this.#look(), await this.#commit()];
        if (!worked.includes(true)) await this.#sleep();
      }
    } finally {
      stopping.removeEventListener('abort', stop);
    }
  }

  async #readDirty(): Promise<boolean> {
    const { dirty, settings } = this.#parts;
    const { oldest } = dirty;
    if (oldest === undefined) return false;
    if (dirty.size < PAGE && performance.now() < oldest + settings.lingerMs) return false;
    this.#foldedSince = Math.min(this.#foldedSince ?? Infinity, oldest);
    const { unexplained } = await this.#reads.oldest(PAGE);
    fault('source.keys-read');
    if (unexplained.length > 0) this.#want('unexplained');
    await this.#cutIfFull();
    return true;
  }

  async #compare(): Promise<boolean> {
    const now = performance.now();
    this.#comparison ??= await this.#due(now);
    const running = this.#comparison;
    if (running === undefined || now < this.#nextPieceAt) return false;
    const piece = await running.pieces.next();
    fault('source.keys-compared');
    if (piece.done !== true) {
      this.#nextPieceAt = now + (piece.value * 1000) / this.#parts.settings.keysPerSecond;
      return true;
    }
    this.#comparison = undefined;
    this.#silentBefore = this.#silent;
    const ended = performance.now();
    this.#nextRegularAt = ended + this.#parts.settings.compareEveryMs;
    this.#notBefore = ended + UNHEARD_EVERY;
    if (running.of.reason === 'start') await this.#startOver();
    return true;
  }

  /** The comparison that has to begin now. */
  async #due(now: number): Promise<RunningComparison | undefined> {
    const { dirty, session, told } = this.#parts;
    const reason = this.#reasonNow(now);
    if (reason === undefined) return undefined;
    this.#wanted = undefined;
    dirty.comparing();
    this.#silent = await session.silentCommands();
    await this.#checkFlags(reason);
    told.comparing(reason);
    const { shard, prefixes } = this.#parts;
    const of = new KeyComparison({
      shard,
      session,
      dirty,
      reads: this.#reads,
      prefixes,
      reason,
      silentBefore: this.#silentBefore,
      told,
      cutIfFull: () => this.#cutIfFull(),
    });
    return { of, pieces: of.pieces() };
  }

  #reasonNow(now: number): ComparisonReason | undefined {
    if (this.#wanted === 'start') return 'start';
    if (this.#parts.dirty.overflowed) return 'overflow';
    if (now >= this.#nextRegularAt) return 'regular';
    return now < this.#notBefore ? undefined : this.#wanted;
  }

  /** Tells when the server does not send what it should; nobody may have looked at its settings for long. */
  async #checkFlags(reason: ComparisonReason): Promise<void> {
    const { session, told } = this.#parts;
    const missing = await session.missingFlags();
    if (missing === undefined && reason === 'start') {
      told.warn({}, 'the server does not tell whether it sends key events: see that notify-keyspace-events is KA');
    }
    if (missing !== undefined && missing !== '') {
      told.warn({ missing }, 'notify-keyspace-events of the server lacks flags: set it to KA, or changes come late');
    }
  }

  /** All that the server held is folded: the position says so, and from now on it is followed. */
  async #startOver(): Promise<void> {
    const { shard, told } = this.#parts;
    shard.progress.snapshot = false;
    await this.#cut();
    await shard.committer.settled();
    this.#isFollowing = true;
    told.following();
  }

  /** Asks for what no event tells. */
  async #look(): Promise<boolean> {
    const now = performance.now();
    if (now < this.#nextLookAt) return false;
    this.#nextLookAt = now + LOOK_EVERY;
    const { session } = this.#parts;
    await session.probe();
    const silent = await session.silentCommands();
    const known = this.#silent;
    if (silent === undefined || known === undefined) return false;
    if (silent.flushes !== known.flushes || silent.swaps !== known.swaps) this.#want('silent-command');
    return false;
  }

  /** Commits when the batch is due. */
  async #commit(): Promise<boolean> {
    const { committer } = this.#parts.shard;
    if (committer.underway !== undefined || committer.dueIn(performance.now(), 0) !== 0) return false;
    await this.#cut();
    return true;
  }

  async #cutIfFull(): Promise<void> {
    if (this.#parts.shard.committer.full) await this.#cut();
  }

  async #cut(): Promise<void> {
    const { shard } = this.#parts;
    const { committer } = shard;
    await committer.settled();
    this.#committingSince = this.#foldedSince;
    this.#foldedSince = undefined;
    await committer.cut(placeOf(shard, 0, { db: 0, inTransaction: false }), performance.now());
    void committer.underway?.then(() => {
      this.#committingSince = undefined;
      this.wake();
    });
  }

  /** A person's stop: what was read is committed. */
  async #finish(): Promise<'stopped'> {
    const { committer } = this.#parts.shard;
    if (committer.dueIn(performance.now(), 0) !== undefined) await this.#cut();
    await committer.settled();
    return 'stopped';
  }

  #want(reason: ComparisonReason): void {
    this.#wanted ??= reason;
  }

  /** Until something is told, or something is due. */
  async #sleep(): Promise<void> {
    const { dirty, settings, shard } = this.#parts;
    const now = performance.now();
    const { oldest } = dirty;
    const moments = [
      oldest === undefined ? Infinity : oldest + settings.lingerMs,
      this.#comparison === undefined ? Infinity : this.#nextPieceAt,
      this.#wanted === undefined ? this.#nextRegularAt : Math.min(this.#notBefore, this.#nextRegularAt),
      this.#nextLookAt,
      shard.committer.underway === undefined ? now + (shard.committer.dueIn(now, 0) ?? Infinity) : Infinity,
      // A subscription that ends tells nobody.
      now + 250,
    ];
    const ms = Math.max(0, Math.min(...moments) - now);
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

/** Whether an error is of the session, which then can be opened again. */
export function endedSession(error: unknown, session: KeyspaceSession): error is AfterwriteError {
  return error instanceof AfterwriteError && error === session.brokenBy && error.recovery === 'retry';
}
