import { equalBytes } from './bytes.ts';
import { PackedCursor, PackedWriter } from './packed-hash.ts';

/** Above this many comparisons of names a merge looks names up in a map instead. */
const COMPARISONS = 1024;

/** The places of so many fields are kept from patch to patch; memory for more is given back. */
const KEPT_FIELDS = 64 * 1024;

/**
 * Makes the next packed hash from the last one. Every result is a view into the editor's own memory that stays valid
 * until its next call.
 */
export class HashEditor {
  readonly #old = new PackedCursor();
  readonly #patch = new PackedCursor();
  readonly #out = new PackedWriter();
  /** Bounds of the patch's fields: name start and end, value start and end. */
  #bounds = new Int32Array(64);
  #used = new Uint8Array(16);
  /** How many fields the patch has. */
  #fields = 0;
  /** The patch's fields by name, when there are too many to compare each with each. */
  #byName: Map<string, number> | undefined;
  /** By how many fields the last result has more than what it was made from. */
  added = 0;

  /** Lays the patch over the hash; of equal names in the patch the last one wins. `current` null is no hash yet. */
  set(current: Buffer | null, patch: Buffer): Buffer {
    this.#indexPatch(patch, current?.length ?? 0);
    const fields = this.#fields;
    const old = this.#old;
    const out = this.#out.reset();
    if (current !== null) {
      old.reset(current);
      while (old.next()) {
        const at = this.#find(old.bytes, old.nameStart, old.nameEnd);
        if (at < 0) out.add(old.bytes, old.nameStart, old.nameEnd, old.bytes, old.valueStart, old.valueEnd);
        else this.#take(at);
      }
    }
    let added = 0;
    for (let i = 0; i < fields; i++) {
      if (this.#used[i] !== 0) continue;
      const last = this.#find(patch, this.#bound(4 * i), this.#bound(4 * i + 1));
      if (this.#used[last] !== 0) continue;
      this.#take(last);
      added++;
    }
    this.added = added;
    return out.view();
  }

  /**
   * Adds to an integer field, which is 0 when absent.
   * @returns undefined when the field holds no integer, which the master would have refused: the hash is another one.
   */
  increment(current: Buffer | null, field: Buffer, by: bigint): Buffer | undefined {
    const text = current === null ? undefined : this.valueOf(current, field);
    const before = text === undefined ? '0' : text.toString('latin1');
    if (!/^-?\d{1,19}$/.test(before)) return undefined;
    const value = Buffer.from(String(BigInt(before) + by), 'latin1');
    const patch = new PackedWriter(field.length + value.length + 16);
    patch.add(field, 0, field.length, value, 0, value.length);
    return this.set(current, patch.view());
  }

  /** Takes fields away; null when none is left, which removes the key. */
  unset(current: Buffer, fields: readonly Buffer[]): Buffer | null {
    const gone = fields.length > 16 ? new Set(fields.map((name) => name.toString('latin1'))) : undefined;
    const isGone = (cursor: PackedCursor): boolean =>
      gone !== undefined
        ? gone.has(cursor.bytes.toString('latin1', cursor.nameStart, cursor.nameEnd))
        : fields.some((name) => equalBytes(name, 0, name.length, cursor.bytes, cursor.nameStart, cursor.nameEnd));
    const old = this.#old.reset(current);
    const out = this.#out.reset();
    let removed = 0;
    while (old.next()) {
      if (isGone(old)) removed++;
      else out.add(old.bytes, old.nameStart, old.nameEnd, old.bytes, old.valueStart, old.valueEnd);
    }
    this.added = -removed;
    const left = out.view();
    return left.length === 0 ? null : left;
  }

  /** The value of a field: a view into `current`. */
  valueOf(current: Buffer, field: Buffer): Buffer | undefined {
    const cursor = this.#old.reset(current);
    while (cursor.next()) {
      if (equalBytes(field, 0, field.length, cursor.bytes, cursor.nameStart, cursor.nameEnd)) return cursor.value();
    }
    return undefined;
  }

  /** Notes where the fields of the patch stand, and how they will be found. */
  #indexPatch(patch: Buffer, currentBytes: number): void {
    if (this.#used.length > KEPT_FIELDS) this.#useBounds(new Int32Array(64));
    const cursor = this.#patch.reset(patch);
    let fields = 0;
    while (cursor.next()) {
      if (4 * fields + 4 > this.#bounds.length) {
        const grown = new Int32Array(this.#bounds.length * 2);
        grown.set(this.#bounds);
        this.#useBounds(grown);
      }
      this.#bounds[4 * fields] = cursor.nameStart;
      this.#bounds[4 * fields + 1] = cursor.nameEnd;
      this.#bounds[4 * fields + 2] = cursor.valueStart;
      this.#bounds[4 * fields + 3] = cursor.valueEnd;
      fields++;
    }
    this.#fields = fields;
    this.#used.fill(0, 0, fields);
    this.#byName = undefined;
    // A field takes at least two bytes, and seldom less than sixteen: a fair guess without counting them.
    if (fields * (fields + currentBytes / 16) <= COMPARISONS) return;
    this.#byName = new Map();
    for (let i = 0; i < fields; i++) {
      this.#byName.set(patch.toString('latin1', this.#bound(4 * i), this.#bound(4 * i + 1)), i);
    }
  }

  #useBounds(bounds: Int32Array<ArrayBuffer>): void {
    this.#bounds = bounds;
    this.#used = new Uint8Array(bounds.length / 4);
  }

  /** The index of the patch's last field of this name, or -1. */
  #find(bytes: Buffer, start: number, end: number): number {
    if (this.#byName !== undefined) return this.#byName.get(bytes.toString('latin1', start, end)) ?? -1;
    const patch = this.#patch.bytes;
    for (let i = this.#fields - 1; i >= 0; i--) {
      if (equalBytes(bytes, start, end, patch, this.#bound(4 * i), this.#bound(4 * i + 1))) return i;
    }
    return -1;
  }

  /** Copies the patch's field `i` out, and notes that this name is done. */
  #take(i: number): void {
    const patch = this.#patch.bytes;
    const at = 4 * i;
    this.#out.add(patch, this.#bound(at), this.#bound(at + 1), patch, this.#bound(at + 2), this.#bound(at + 3));
    this.#used[i] = 1;
  }

  #bound(at: number): number {
    return this.#bounds[at] ?? 0;
  }
}
