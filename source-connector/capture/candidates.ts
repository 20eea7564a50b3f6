import { addressOf, ControlConnection, replicationOf, type RedisEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { Roster } from './followed.ts';
import type { ResumePoint } from './session.ts';

/** A server of a shard, as far as it decides whether it is followed. */
export interface Candidate {
  readonly endpoint: RedisEndpoint;
  readonly kind: 'master' | 'replica';
  /** Why it cannot be followed now; undefined when it can. */
  readonly unfit: string | undefined;
  /** The stream that it serves; empty when it does not answer. */
  readonly replid: string;
  /** Whether it can go on where the stream is to be taken up. */
  readonly goesOn: 'yes' | 'behind' | 'no';
  /** The refusal that only a person can lift. */
  readonly refusal?: AfterwriteError;
}

/** A server that does not answer within this is not chosen, ms. */
const patienceMs = 1000;

/** Connections to the servers of a shard, kept from look to look. */
export class Candidates {
  readonly #connections = new Map<string, ControlConnection>();
  readonly #stopping: AbortSignal;

  constructor(stopping: AbortSignal) {
    this.#stopping = stopping;
  }

  /** Looks at all servers at once. */
  async look({ master, replicas }: Roster, resume: ResumePoint | null): Promise<readonly Candidate[]> {
    const [first, ...others] = await Promise.all([
      this.#lookAt(master, 'master', resume),
      ...replicas.map((replica) => this.#lookAt(replica, 'replica', resume)),
    ]);
    if (first.unfit !== undefined) return [first, ...others];
    // What follows another master, such as the one before, does not hear what is written now.
    const stale = (one: Candidate): boolean => one.unfit === undefined && one.replid !== first.replid;
    return [first, ...others.map((one) => (stale(one) ? { ...one, unfit: 'follows another master' } : one))];
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  async #lookAt(endpoint: RedisEndpoint, kind: Candidate['kind'], resume: ResumePoint | null): Promise<Candidate> {
    const address = addressOf(endpoint);
    try {
      const connection = await this.#connectionTo(endpoint);
      // A server that loads its data tells of its replication, but serves nobody.
      await connection.call('PING');
      const { role, isLinked, replid, goesOn } = await replicationOf(connection, resume);
      const unfit = role !== kind ? `is a ${role} now` : isLinked ? undefined : 'is not in touch with its master';
      return { endpoint, kind, unfit, replid, goesOn };
    } catch (error) {
      this.#connections.get(address)?.close();
      this.#connections.delete(address);
      if (!(error instanceof AfterwriteError) || this.#stopping.aborted) throw error;
      const failed = { endpoint, kind, unfit: `${error.code}: ${error.what}`, replid: '', goesOn: 'no' } as const;
      return error.recovery === 'stop' ? { ...failed, refusal: error } : failed;
    }
  }

  async #connectionTo(endpoint: RedisEndpoint): Promise<ControlConnection> {
    const address = addressOf(endpoint);
    const known = this.#connections.get(address);
    if (known?.isOpen === true) return known;
    const limits = { connectTimeoutMs: patienceMs, commandTimeoutMs: patienceMs, signal: this.#stopping };
    const connection = await ControlConnection.open(endpoint, limits);
    this.#connections.set(address, connection);
    return connection;
  }
}

/**
 * The server to follow, after `waitedMs` of looking for one; undefined while a better one may come. A server of the
 * preferred kind that goes on is taken at once; then one of the other kind that does; a full resync comes last.
 */
export function bestOf(
  candidates: readonly Candidate[],
  prefer: Candidate['kind'],
  isFirst: boolean,
  waitedMs: number,
): Candidate | undefined {
  const fit = candidates.filter(({ unfit }) => unfit === undefined);
  const goes = fit.filter(({ goesOn }) => isFirst || goesOn === 'yes');
  const preferred = goes.find(({ kind }) => kind === prefer);
  if (preferred !== undefined) return preferred;
  if (waitedMs < forPreferredMs) return undefined;
  if (goes[0] !== undefined) return goes[0];
  const [only] = fit;
  if (only === undefined) return undefined;
  const mayCome = fit.some(({ goesOn }) => goesOn === 'behind');
  if (mayCome && waitedMs < inAllMs) return undefined;
  return fit.find(({ kind }) => kind === prefer) ?? only;
}

/** For so long a server of the preferred kind is waited for, ms. */
export const forPreferredMs = 2000;
/** After so long in all it is told that there is none, ms. */
export const inAllMs = 5000;
