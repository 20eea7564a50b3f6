import { catalogue, type ErrorCode } from './catalogue.ts';
import type { Recovery } from './entry.ts';

/** Coordinates of the trouble: topic, partition, offset; replid, offset; key, path and the like. */
export type Where = Readonly<Record<string, string | number | bigint | undefined>>;

export interface ErrorDetails {
  /** Where it happened. Entries that are undefined are left out of the message. */
  readonly where?: Where;
  /** Replaces the catalogue's remedy where this occurrence knows a better one. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of the project. `what` says what is wrong in this very case; the code's catalogue entry says
 * what that means and what to do. The message holds all of it, because it is often all that an operator sees.
 */
export class AfterwriteError extends Error {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: Where;
  readonly remedy: string;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    const where = details.where ?? {};
    const remedy = details.remedy ?? catalogue[code].remedy;
    const at = Object.entries(where)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ');
    // A list of problems ends with the end of its line.
    const told = at === '' ? what : `${what} (${at})`;
    super(`${code}: ${told}${told.endsWith('\n') ? '' : '. '}${remedy}`, { cause: details.cause });
    this.name = 'AfterwriteError';
    this.code = code;
    this.what = what;
    this.where = where;
    this.remedy = remedy;
  }

  /** What a loop that could try again does with this error. */
  get recovery(): Recovery {
    return catalogue[this.code].recovery;
  }
}

/** A reason for people, from anything that was thrown: the message, with the messages of its causes. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message === '' ? error.name : error.message;
  if (error instanceof AggregateError && error.errors.length > 0)
    return [own, ...error.errors.map(reasonOf)].join('; ');
  return error.cause === undefined ? own : `${own}; because: ${reasonOf(error.cause)}`;
}
