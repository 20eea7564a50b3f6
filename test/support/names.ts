import { randomBytes } from 'node:crypto';

/** A name that no other test has: topics, tables, keys and groups of tests share servers. Letters and digits, lower case. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomBytes(5).toString('hex')}`;
}
