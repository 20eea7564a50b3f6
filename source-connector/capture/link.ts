import { addressOf, type RedisEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { shakeHands } from './handshake.ts';
import { Heartbeat } from './heartbeat.ts';
import type { ReplicationState } from './replication-state.ts';
import type { Answer, ReplicationSession, ResumePoint } from './session.ts';
import { Wire } from './wire.ts';

export interface LinkOptions {
  /** The master or a replica of it, that may go on after `resume`. Resolved anew for each session. */
  readonly endpoint: (resume: ResumePoint | null) => Promise<RedisEndpoint>;
  /** What the server shows as this replica's port; 0, the default, shows as unknown. */
  readonly listeningPort?: number;
  /** Milliseconds for the connection, and for each reply before the one to PSYNC. 10 s by default. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds without a byte after which a link counts as broken. 60 s by default; masters ping every 10 s. */
  readonly idleTimeoutMs?: number;
  /** Bytes that may wait for `read` before the socket is no longer read. 1 MiB by default. */
  readonly bufferBytes?: number;
  readonly onState?: (state: ReplicationState) => void;
}

/**
 * A session on its socket. Nothing is read ahead of a small buffer, so a slow reader slows the master's output
 * (backpressure); a master gives up a diskless transfer in which nothing moved for its repl-timeout, and a stream whose
 * client-output-buffer-limit is exceeded.
 */
export interface LinkSession extends ReplicationSession {
  /** Bytes that arrived and wait for `read`. */
  readonly buffered: number;
  /** As of a session; may be called again, and too early does no harm: a master that still sends does not listen to it. */
  snapshotRead(): void;
  /** Breaks the link for this reason, as if the server had. */
  leave(reason: string): void;
}

/**
 * Opens one link: connects, introduces the connector as a replica, and asks for the stream after `resume`, or for a
 * full resync without it (a server that cannot resume answers with a full resync too). Tries once. Aborting the signal
 * ends the attempt, and later the session, like `close`.
 *
 * States: connecting → handshake → snapshot → streaming, or handshake → streaming; `reconnecting` when the link broke,
 * `stopped` when it was closed before it broke.
 *
 * @throws AfterwriteError REDIS_UNREACHABLE, REDIS_TLS, REDIS_AUTH, REDIS_NO_PSYNC, REDIS_LOADING, REDIS_REFUSED,
 *   REDIS_PROTOCOL, REDIS_LINK_LOST, and whatever `endpoint` throws; the signal's reason when it is aborted
 */
export async function openSession(
  options: LinkOptions,
  resume: ResumePoint | null,
  signal: AbortSignal,
): Promise<LinkSession> {
  const onState = options.onState ?? (() => undefined);
  const connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
  const idleTimeoutMs = options.idleTimeoutMs ?? 60_000;
  signal.throwIfAborted();
  onState('connecting');
  const endpoint = await options.endpoint(resume);
  signal.throwIfAborted();
  const wire = await Wire.open(endpoint, options.bufferBytes ?? 1024 * 1024, connectTimeoutMs, signal);
  const heartbeat = new Heartbeat(wire, connectTimeoutMs, (silentMs) => {
    const what = `nothing came for ${silentMs / 1000} s`;
    wire.break(new AfterwriteError('REDIS_LINK_LOST', what, { where: { redis: addressOf(endpoint) } }));
  });
  const abort = (): void => {
    wire.close();
  };
  signal.addEventListener('abort', abort);
  try {
    onState('handshake');
    const answer = await shakeHands(wire, {
      listeningPort: options.listeningPort ?? 0,
      resume,
      onFullResync: () => {
        onState('snapshot');
        heartbeat.allowSilence(idleTimeoutMs);
        heartbeat.beginNewlines();
      },
    });
    heartbeat.allowSilence(idleTimeoutMs);
    signal.throwIfAborted();
    return new Link(wire, heartbeat, answer, onState, signal);
  } catch (error) {
    heartbeat.stop();
    wire.close();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

class Link implements LinkSession {
  readonly answer: Answer;
  readonly #wire: Wire;
  readonly #heartbeat: Heartbeat;
  readonly #onState: (state: ReplicationState) => void;
  readonly #signal: AbortSignal;
  readonly #abort = (): void => {
    this.close();
  };
  #over = false;

  constructor(
    wire: Wire,
    heartbeat: Heartbeat,
    answer: Answer,
    onState: (state: ReplicationState) => void,
    signal: AbortSignal,
  ) {
    this.answer = answer;
    this.#wire = wire;
    this.#heartbeat = heartbeat;
    this.#onState = onState;
    this.#signal = signal;
    signal.addEventListener('abort', this.#abort);
    wire.onBreak = () => {
      this.#end('reconnecting');
    };
    if (answer.kind === 'continue') this.#stream(false);
    if (wire.brokenBy !== undefined) this.#end('reconnecting');
  }

  read(): Promise<Buffer | null> {
    return this.#wire.inbound.read();
  }

  snapshotRead(): void {
    if (this.answer.kind === 'full' && !this.#over) this.#stream(this.answer.transfer.framing === 'eof');
  }

  acknowledge(offset: number, now = false): void {
    this.#heartbeat.acknowledge(offset, now);
  }

  get buffered(): number {
    return this.#wire.inbound.buffered;
  }

  get brokenBy(): Error | undefined {
    return this.#wire.brokenBy;
  }

  leave(reason: string): void {
    const where = { redis: addressOf(this.#wire.endpoint) };
    this.#wire.break(new AfterwriteError('REDIS_LINK_LOST', `the server was left: ${reason}`, { where }));
  }

  close(): void {
    this.#wire.close();
    this.#end('stopped');
  }

  #stream(streamWaitsForAck: boolean): void {
    this.#onState('streaming');
    this.#heartbeat.beginAcks(this.answer.offset, streamWaitsForAck);
  }

  #end(state: ReplicationState): void {
    if (this.#over) return;
    this.#over = true;
    this.#heartbeat.stop();
    this.#signal.removeEventListener('abort', this.#abort);
    this.#onState(state);
  }
}
