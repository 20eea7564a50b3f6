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

/** Views of longer stretches are not kept. */
const KEPT_VIEWS = 1024;

/**
 * Views of a buffer's first bytes. One of each length is made, and told again: a view costs more than the copy of a short
 * string. So who is given one has it until the buffer is written again.
 */
export class FirstBytes {
  readonly #buffer: Buffer;
  readonly #views: Buffer[] = [];

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  of(length: number): Buffer {
    if (length >= KEPT_VIEWS) return this.#buffer.subarray(0, length);
    return this.#views[length] ?? this.#make(length);
  }

  #make(length: number): Buffer {
    // Without holes, an array is looked up fastest.
    while (this.#views.length < length) this.#views.push(this.#buffer.subarray(0, this.#views.length));
    const view = this.#buffer.subarray(0, length);
    this.#views[length] = view;
    return view;
  }
}

/** Whether a stretch of bytes begins with a prefix. */
export function beginsWith(bytes: Buffer, start: number, end: number, prefix: Buffer): boolean {
  const stop = start + prefix.length;
  return stop <= end && equalBytes(bytes, start, stop, prefix, 0, prefix.length);
}
