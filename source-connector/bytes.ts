/** Above this length a call into native code is faster than a loop. */
const LOOP_UP_TO = 32;

/** Whether two stretches of bytes are the same. */
export function equalBytes(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): boolean {
  const length = aEnd - aStart;
  if (length !== bEnd - bStart) return false;
  if (length > LOOP_UP_TO) return a.compare(b, bStart, bEnd, aStart, aEnd) === 0;
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false;
  return true;
}

/** Whether a stretch of bytes begins with a prefix. */
export function beginsWith(bytes: Buffer, start: number, end: number, prefix: Buffer): boolean {
  const stop = start + prefix.length;
  return stop <= end && equalBytes(bytes, start, stop, prefix, 0, prefix.length);
}
