import { setTimeout as sleep } from 'node:timers/promises';
import { addressOf, type RedisEndpoint, type ResolveEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { bestOf, Candidates, inAllMs, type Candidate } from './candidates.ts';
import { oneServer, type Followed, type ServerGroup } from './followed.ts';
import { KnownServers } from './known-servers.ts';
import type { ResumePoint } from './session.ts';

export interface FollowOptions {
  readonly group: ServerGroup;
  readonly stopping: AbortSignal;
  /** Milliseconds between two looks while a server is followed; 1000 by default. */
  readonly intervalMs?: number;
  /** How far the stream has come; undefined while there is none. */
  readonly received: () => ResumePoint | undefined;
  /** Ends the link, for this reason. */
  readonly leave: (reason: string) => void;
  /** Another server is followed. */
  readonly onChange: () => void;
  readonly onWarning: (message: string) => void;
  /** Called at each look at the group: with the reason while nobody tells its servers. */
  readonly onSilence: (silence: AfterwriteError | undefined) => void;
}

interface Chosen {
  readonly address: string;
  /** When it was chosen. */
  readonly kind: Candidate['kind'];
  readonly at: number;
}

/** What a shard follows: the server that an endpoint leads to, or one of a group. */
export function follow(servers: ResolveEndpoint | ServerGroup, options: Omit<FollowOptions, 'group'>): Followed {
  return typeof servers === 'function'
    ? oneServer(servers, options.stopping)
    : new ServerChoice({ ...options, group: servers });
}

/** Between two looks for a server to follow, ms. */
const againMs = 200;
/** A followed server may be out of touch for so long before another one is taken, ms. */
const badMs = 10_000;
/** A better server is looked for when the followed one has been followed for so long, ms. */
const settledMs = 10_000;

/**
 * Chooses the server of a group that a shard follows, and leaves it when it was demoted, when it lost its master for
 * long, or when one of the preferred kind can be followed instead. Which data a server has is told by its replid, never
 * by its address.
 */
class ServerChoice implements Followed {
  readonly #options: FollowOptions;
  readonly #candidates: Candidates;
  readonly #servers: KnownServers;
  #chosen: Chosen | undefined;
  #isChoosing = false;
  /** Since when the followed server is out of touch. */
  #badSince: number | undefined;
  #waiting: (() => void)[] = [];
  #hurry = new AbortController();
  #running: Promise<void> | undefined;
  readonly #closing = new AbortController();
  /** A shard may end by itself, too: then `close` comes before `stopping`, or without it. */
  readonly #ended: AbortSignal;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#ended = AbortSignal.any([options.stopping, this.#closing.signal]);
    this.#candidates = new Candidates(this.#ended);
    this.#servers = new KnownServers(options.group, this.#candidates, options.onSilence);
    this.#ended.addEventListener('abort', () => {
      this.#tell();
    });
  }

  /** Begins to watch the server that is followed. */
  start(): void {
    this.#running ??= this.#watch();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#candidates.close();
    this.#options.group.close();
  }

  /**
   * @throws AfterwriteError REDIS_NO_SERVER when none can be followed now, REDIS_NO_SENTINEL when nobody tells who can; what a
   *   person has to do something about
   */
  async choose(resume: ResumePoint | null): Promise<RedisEndpoint> {
    const { group } = this.#options;
    const began = performance.now();
    this.#isChoosing = true;
    try {
      for (;;) {
        const { candidates, silence } = await this.#servers.look(resume);
        const waitedMs = performance.now() - began;
        const best = bestOf(candidates, group.prefer, resume === null, waitedMs);
        if (best !== undefined) return this.#follow(best);
        if (waitedMs >= inAllMs) throw silence === undefined ? none(candidates) : untold(silence, candidates);
        await sleep(againMs, undefined, { signal: this.#ended });
      }
    } finally {
      this.#isChoosing = false;
    }
  }

  /** The server of the last link, with its secrets read anew; waits for the first one. */
  readonly endpoint = async (): Promise<RedisEndpoint> => {
    while (this.#chosen === undefined) {
      if (this.#ended.aborted) throw notAnyMore();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const { address } = this.#chosen;
    const { master, replicas } = (await this.#servers.roster()).roster;
    const found = [master, ...replicas].find((one) => addressOf(one) === address);
    if (found !== undefined) return found;
    throw new AfterwriteError('REDIS_UNREACHABLE', 'the server that was followed is none of the shard any more', {
      where: { redis: address },
    });
  };

  readonly readable = async (): Promise<RedisEndpoint> => {
    const { roster } = await this.#servers.roster();
    const candidates = await this.#candidates.look(roster, null);
    const fit = candidates.filter(({ unfit }) => unfit === undefined);
    const found = fit.find(({ endpoint }) => addressOf(endpoint) === this.#chosen?.address) ?? fit[0];
    if (found === undefined) throw none(candidates);
    return found.endpoint;
  };

  async goesOn(resume: ResumePoint): Promise<boolean> {
    try {
      const { candidates } = await this.#servers.look(resume);
      return candidates.some(({ unfit, goesOn }) => unfit === undefined && goesOn === 'yes');
    } catch (error) {
      if (error instanceof AfterwriteError) return false;
      throw error;
    }
  }

  #follow({ endpoint, kind }: Candidate): RedisEndpoint {
    const { group, onWarning, onChange } = this.#options;
    const address = addressOf(endpoint);
    const before = this.#chosen;
    this.#chosen = { address, kind, at: performance.now() };
    this.#badSince = undefined;
    this.#tell();
    if (before?.address === address && before.kind === kind) return endpoint;
    onChange();
    if (kind !== group.prefer) {
      onWarning(
        `No ${group.prefer} can be followed now, so the ${kind} ${address} is, until one can: source.prefer is ${group.prefer}.`,
      );
    }
    return endpoint;
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #watch(): Promise<void> {
    const { intervalMs = 1000 } = this.#options;
    while (!this.#ended.aborted) {
      this.#hurry = new AbortController();
      await this.#look();
      const signal = AbortSignal.any([this.#ended, this.#hurry.signal]);
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { group, leave } = this.#options;
    try {
      group.listen(() => {
        this.#hurry.abort();
      });
      const reason = await this.#reasonToLeave();
      if (reason !== undefined) leave(reason);
    } catch (error) {
      // Who cannot be asked is the link's to tell, when it breaks.
      if (!(error instanceof AfterwriteError) && !this.#ended.aborted) throw error;
    }
  }

  #stillFollows(chosen: Chosen): boolean {
    return !this.#isChoosing && this.#chosen === chosen;
  }

  async #reasonToLeave(): Promise<string | undefined> {
    const { group, received } = this.#options;
    const chosen = this.#chosen;
    const place = received();
    if (chosen === undefined || !this.#stillFollows(chosen)) return undefined;
    if (place === undefined) {
      // Who follows key events, or reads a snapshot, is to know of silence, too.
      await this.#servers.roster();
      return undefined;
    }
    const { candidates, silence } = await this.#servers.look(place);
    // The link stays as it is: nobody knows a better server.
    if (silence !== undefined) return undefined;
    // Meanwhile the link may have ended by itself.
    if (!this.#stillFollows(chosen)) return undefined;
    const now = performance.now();
    const own = candidates.find(({ endpoint }) => addressOf(endpoint) === chosen.address);
    if (chosen.kind === 'master' && own?.kind !== 'master') return 'it is not the master any more';
    if (own?.unfit !== undefined || own === undefined) {
      this.#badSince ??= now;
      const isLong = now - this.#badSince >= badMs;
      const other = candidates.some(({ unfit }) => unfit === undefined);
      return isLong && other ? `for long it ${own?.unfit ?? 'is no server of this shard'}` : undefined;
    }
    this.#badSince = undefined;
    if (own.kind === group.prefer || now - chosen.at < settledMs) return undefined;
    const better = candidates.find(
      ({ kind, goesOn, unfit }) => kind === group.prefer && goesOn === 'yes' && unfit === undefined,
    );
    return better && `the ${better.kind} ${addressOf(better.endpoint)} can be followed now`;
  }
}

function none(candidates: readonly Candidate[]): AfterwriteError {
  const refusals = candidates.flatMap(({ refusal }) => refusal ?? []);
  const [first] = refusals;
  if (first !== undefined && refusals.length === candidates.length) return first;
  return new AfterwriteError('REDIS_NO_SERVER', reasonsOf(candidates));
}

/** For whoever asks beside a link that never was. */
function notAnyMore(): AfterwriteError {
  return new AfterwriteError('REDIS_UNREACHABLE', 'the shard has ended before a server was followed');
}

/** Why none of the servers can be followed that were told last. */
function untold({ code, what, where }: AfterwriteError, candidates: readonly Candidate[]): AfterwriteError {
  return new AfterwriteError(code, `${what}; of the servers that were told last, ${reasonsOf(candidates)}`, { where });
}

function reasonsOf(candidates: readonly Candidate[]): string {
  const each = candidates.map(
    ({ endpoint, kind, unfit }) => `the ${kind} ${addressOf(endpoint)} ${unfit ?? 'is behind'}`,
  );
  return each.join('; ');
}
