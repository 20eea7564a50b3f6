import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import { startHttpServer, type HttpRoute, type HttpServer, type PartStatuses } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { HttpConfig } from '../config/index.ts';

/** A worker that runs until it is stopped, and rejects when a person has to act. */
export interface Part {
  run(): Promise<void>;
  stop(): Promise<void>;
  health(): PartStatuses;
  ready(): PartStatuses;
}

/** How long parts may take to end after a signal, ms: less than `docker stop` waits before it kills. */
const PATIENCE = 8000;

/**
 * Runs parts in this process until Ctrl-C or SIGTERM, or until none of them runs any more. Each part commits what it
 * has read as whole before it ends. One that cannot, because a server is down, is left behind after `patience` ms, and a
 * second Ctrl-C ends the process at once: neither loses anything, since what is not committed is read again.
 * @returns the exit code: 0 after a signal, 1 when a part needs a person.
 */
export async function runParts(
  parts: readonly Part[],
  http: HttpConfig & { readonly routes?: readonly HttpRoute[] },
  metrics: Metrics,
  log: Logger,
  patience = PATIENCE,
): Promise<number> {
  const statuses = (of: (part: Part) => PartStatuses): PartStatuses =>
    Object.fromEntries(parts.flatMap((part) => Object.entries(of(part))));
  let server: HttpServer | undefined;
  const failures: unknown[] = [];
  const late = new AbortController();
  const stopAll = (): void => {
    log.info('ending: what was read as whole is committed first; a second signal ends at once');
    for (const part of parts) void part.stop();
    setTimeout(() => {
      late.abort();
    }, patience).unref();
  };
  const onSignal = signalHandler(stopAll);
  try {
    server = await startHttpServer({
      ...http,
      metrics,
      health: () => statuses((part) => part.health()),
      ready: () => statuses((part) => part.ready()),
    });
    log.info({ address: server.address }, 'serving /metrics, /healthz and /readyz');
    const running = parts.map(async (part) => {
      try {
        await part.run();
      } catch (error) {
        failures.push(error);
        log.fatal({ err: error }, 'a person has to act');
      }
    });
    const ended = await Promise.race([Promise.all(running), aborted(late.signal)]);
    if (ended === undefined) log.warn('a commit does not end: what it held is read again at the next start');
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    await server?.close();
  }
  for (const failure of failures) printError(failure);
  return failures.length > 0 ? 1 : 0;
}

async function aborted(signal: AbortSignal): Promise<undefined> {
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
  return undefined;
}

function signalHandler(stopAll: () => void): () => void {
  let signals = 0;
  const onSignal = (): void => {
    signals++;
    if (signals === 1) stopAll();
    else process.exit(130);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return onSignal;
}

/** What a command prints when it cannot do its work: for people, where log lines are for programs. */
export function printError(error: unknown): void {
  process.stderr.write(`${textOf(error)}\n`);
}

function textOf(error: unknown): string {
  if (!(error instanceof AfterwriteError))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const { message, what, cause } = error;
  const reason = cause === undefined ? '' : reasonOf(cause);
  return reason === '' || what.includes(reason) ? message : `${message}\nThe reason: ${reason}`;
}
