import { isUtf8 } from 'node:buffer';

/** Above this length a call into native code is faster than a loop. */
const LOOP_UP_TO = 32;

/** Whether the bytes are UTF-8. Short ASCII is the rule, and looking at it is faster than a call into native code. */
export function isText(bytes: Buffer): boolean {
  if (bytes.length > LOOP_UP_TO) return isUtf8(bytes);
  let seen = 0;
  for (let at = 0; at < bytes.length; at++) seen |= bytes[at] ?? 0;
  return seen < 128 || isUtf8(bytes);
}
