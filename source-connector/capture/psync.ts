import { AfterwriteError } from '../../ops/errors/index.ts';
import type { Answer, ResumePoint, Transfer } from './session.ts';

/**
 * The texts of the replication handshake. Grammar of what the master sends (an empty line may stand before each):
 *
 *   reply    = "+" text CRLF | "-" text CRLF
 *   answer   = "+FULLRESYNC" SP replid SP offset CRLF header | "+CONTINUE" [SP replid] CRLF stream
 *   header   = "$" bytes CRLF | "$EOF:" mark CRLF          ; the RDB follows, after it the mark if there is one
 */

/** The bytes of a command. All arguments are ASCII or UTF-8 texts. */
export function encodeCommand(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`;
}

/** PSYNC names the first byte that it wants: one after the last that was read. */
export function psyncCommand(resume: ResumePoint | null): readonly string[] {
  return resume === null ? ['PSYNC', '?', '-1'] : ['PSYNC', resume.replid, String(resume.offset + 1)];
}

/** What a positive answer to PSYNC says; a full resync still lacks its transfer. */
export type Verdict =
  | Extract<Answer, { readonly kind: 'continue' }>
  | { readonly kind: 'full'; readonly replid: string; readonly offset: number };

/**
 * Reads the answer to PSYNC.
 * @param line without its end, beginning with `+`
 * @throws AfterwriteError REDIS_PROTOCOL
 */
export function parseVerdict(line: string, resume: ResumePoint | null): Verdict {
  const [word, replid, offsetText, ...more] = line.split(' ');
  if (word === '+FULLRESYNC' && replid !== undefined && offsetText !== undefined && more.length === 0) {
    return { kind: 'full', replid: parseReplid(replid, line), offset: parseCount(offsetText, line) };
  }
  if (word === '+CONTINUE' && offsetText === undefined && resume !== null) {
    return { kind: 'continue', replid: parseReplid(replid ?? resume.replid, line), offset: resume.offset };
  }
  throw unexpected(line, 'an answer to PSYNC');
}

/**
 * Reads the header of a transfer.
 * @throws AfterwriteError REDIS_PROTOCOL
 */
export function parseTransfer(line: string): Transfer {
  if (/^\$EOF:.{40}$/.test(line)) return { framing: 'eof', mark: Buffer.from(line.slice(5), 'latin1') };
  if (line.startsWith('$')) return { framing: 'length', bytes: parseCount(line.slice(1), line) };
  throw unexpected(line, 'the header of a snapshot');
}

/** The error for a text that the protocol has no place for. */
export function unexpected(line: string, expected: string): AfterwriteError {
  const shown = line.length > 80 ? `${line.slice(0, 80)}…` : line;
  return new AfterwriteError('REDIS_PROTOCOL', `${JSON.stringify(shown)} arrived where ${expected} belongs`);
}

function parseReplid(text: string, line: string): string {
  if (!/^[0-9A-Za-z]{40}$/.test(text)) throw unexpected(line, 'a replication id of 40 characters');
  return text;
}

function parseCount(text: string, line: string): number {
  const count = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(count)) throw unexpected(line, 'a number of bytes');
  return count;
}
