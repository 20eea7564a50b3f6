/** Decimal integers as Redis stores them: text. Everything here reads bytes without making strings of them. */

export const MINUS = 0x2d;
export const ZERO = 0x30;
export const NINE = 0x39;

/** Without a sign; compared as text, which is right for numbers with equally many digits. */
const limits = {
  int: { positive: Buffer.from('2147483647'), negative: Buffer.from('2147483648') },
  long: { positive: Buffer.from('9223372036854775807'), negative: Buffer.from('9223372036854775808') },
};

/** Whether the bytes are an optional minus and digits, and the number is in range. Leading zeros are allowed. */
export function isInteger(text: Buffer, type: 'int' | 'long'): boolean {
  const negative = text.length > 0 && text.readUInt8(0) === MINUS;
  let first = negative ? 1 : 0;
  if (first === text.length) return false;
  for (let at = first; at < text.length; at++) {
    const byte = text.readUInt8(at);
    if (byte < ZERO || byte > NINE) return false;
  }
  const limit = limits[type][negative ? 'negative' : 'positive'];
  if (text.length - first < limit.length) return true;
  while (text.length - first > limit.length && text.readUInt8(first) === ZERO) first++;
  return (
    text.length - first < limit.length || (text.length - first === limit.length && limit.compare(text, first) >= 0)
  );
}

/**
 * Whether the bytes are an integer in range, written as Redis itself writes integers: without leading zeros and minus
 * zero. So every number has exactly one text, which is what keys need.
 */
export function isCanonicalInteger(text: Buffer, type: 'int' | 'long'): boolean {
  if (!isInteger(text, type)) return false;
  const negative = text.readUInt8(0) === MINUS;
  return text.readUInt8(negative ? 1 : 0) !== ZERO || text.length === 1;
}

/** The number of at most 15 digits with an optional minus, which is always exact. The bytes must be an integer. */
export function smallInteger(text: Buffer): number {
  const negative = text.readUInt8(0) === MINUS;
  let value = 0;
  for (let at = negative ? 1 : 0; at < text.length; at++) value = value * 10 + text.readUInt8(at) - ZERO;
  return negative && value !== 0 ? -value : value;
}
