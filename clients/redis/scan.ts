import { AfterwriteError } from '../../ops/errors/index.ts';
import { addressOf } from './endpoint.ts';
import type { ControlConnection } from './control.ts';
import { asList, asText } from './reply.ts';

/** One answer of SCAN. */
export interface ScanPage {
  /** Where the next page begins; undefined after the last one. */
  readonly next: string | undefined;
  /** Keys, some perhaps twice in one pass. A key that was there from the first page to the last is in some page. */
  readonly keys: readonly Buffer[];
}

/** Where a pass over the keys of a database begins. */
export const SCAN_START = '0';

/**
 * Asks for the next page of the hashes whose keys begin with a prefix, in the database that the connection has selected.
 * @param count how many keys of the database, of any name, the server looks at
 * @throws AfterwriteError as ControlConnection.call, and REDIS_PROTOCOL for an answer that is no page
 */
export async function scanHashes(
  connection: ControlConnection,
  cursor: string,
  prefix: string,
  count: number,
): Promise<ScanPage> {
  const pattern = `${escapeGlob(prefix)}*`;
  const answer = asList(await connection.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', count, 'TYPE', 'hash'));
  const next = asText(answer[0]);
  if (next === undefined) {
    const where = { redis: addressOf(connection.endpoint) };
    throw new AfterwriteError('REDIS_PROTOCOL', 'SCAN was answered without a cursor', { where });
  }
  const keys = asList(answer[1]).flatMap((key) => (Buffer.isBuffer(key) ? [key] : []));
  return { next: next === SCAN_START ? undefined : next, keys };
}

/** The glob pattern of Redis that matches exactly this text. */
export function escapeGlob(text: string): string {
  return text.replaceAll(/[*?[\]\\^]/g, (character) => `\\${character}`);
}
