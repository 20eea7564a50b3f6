import { destination, type Logger, pino, stdSerializers } from 'pino';
import { AfterwriteError, reasonOf } from './errors/index.ts';

export type { Logger } from 'pino';

/** What a log line holds of an error: of ours its code, coordinates and remedy; of strangers the stack too. */
export function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof AfterwriteError) {
    const { code, what, remedy, cause } = error;
    const where = Object.fromEntries(
      Object.entries(error.where).map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
    );
    return { code, what, where, remedy, ...(cause === undefined ? {} : { because: reasonOf(cause) }) };
  }
  return error instanceof Error ? { ...stdSerializers.err(error) } : { message: reasonOf(error) };
}

/**
 * A logger that writes one JSON object a line to stderr, so that stdout is left to what a command prints. The level is
 * LOG_LEVEL (trace, debug, info, warn, error, fatal, silent), info without it. Pass errors as `{ err }`.
 * Lines are written before the call returns: the last words of a process that dies are the ones that matter.
 * @param name the part that logs, such as `source` or `sink.warehouse`
 */
export function createLogger(name: string): Logger {
  const wanted = process.env.LOG_LEVEL?.toLowerCase() ?? '';
  const level = wanted === 'silent' || wanted in pino.levels.values ? wanted : 'info';
  return pino({ level, base: { name }, serializers: { err: describeError } }, destination({ fd: 2, sync: true }));
}
