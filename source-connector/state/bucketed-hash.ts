import { equalBytes } from '../bytes.ts';
import type { HashEditor } from '../hash-editor.ts';
import { countFields, PackedCursor, PackedWriter } from '../packed-hash.ts';
import type { WideHash } from '../wide-hash.ts';
import {
  bucketOf,
  distribute,
  divide,
  encodeHead,
  hashOfName,
  parentOf,
  wantedBuckets,
  type Head,
  type WideLimits,
} from './buckets.ts';

/** Where the buckets of wide hashes are kept, each under its key and number. */
export interface BucketShelf {
  readonly limits: WideLimits;
  /** Makes the next bucket from the last one. */
  readonly editor: HashEditor;
  readonly cursor: PackedCursor;
  /** The packed fields of a bucket, a view that is valid until the next read; null when it has none. */
  read(db: number, key: Buffer, bucket: number): Buffer | null;
  /** Keeps (copies) a bucket; null, or no bytes, takes it away. */
  write(db: number, key: Buffer, bucket: number, packed: Buffer | null): void;
}

/** A patch of at least one field for so many buckets is ordered by buckets first, so that each is written once. */
const BUCKETS_A_FIELD = 4;

const NOTHING: Buffer = Buffer.alloc(0);

/** More buckets than wanted are left alone up to this factor, so that a hash that shrinks and grows does not work each time. */
const SLACK = 4;

/**
 * A wide hash. Each of its fields stands in one of two places: in the head, once it was asked for by `valueOf` (the mapped ones are, at
 * each change), or in the bucket of its name. So a change of a mapped field touches the head alone.
 */
export class BucketedHash implements WideHash {
  readonly db: number;
  readonly key: Buffer;
  fields: number;
  bytes: number;
  changed = false;
  #buckets: number;
  #picked: Buffer;
  readonly #shelf: BucketShelf;

  constructor(shelf: BucketShelf, db: number, key: Buffer, { fields, bytes, buckets, picked }: Head) {
    this.#shelf = shelf;
    this.db = db;
    this.key = key;
    this.fields = fields;
    this.bytes = bytes;
    this.#buckets = buckets;
    this.#picked = picked;
  }

  /**
   * Puts a packed hash into buckets. `before` is how many there are under this key already: those that hold what they should are not
   * written again.
   */
  static put(shelf: BucketShelf, db: number, key: Buffer, packed: Buffer, before: number): BucketedHash {
    const fields = countFields(packed);
    const buckets = wantedBuckets(fields, packed.length, shelf.limits);
    const { bytes, starts } = distribute(packed, buckets);
    for (let n = 0; n < buckets; n++) {
      const bucket = bytes.subarray(starts[n], starts[n + 1]);
      const old = n < before ? shelf.read(db, key, n) : null;
      if (old === null ? bucket.length > 0 : !old.equals(bucket)) shelf.write(db, key, n, bucket);
    }
    for (let n = buckets; n < before; n++) shelf.write(db, key, n, null);
    return new BucketedHash(shelf, db, key, { fields, bytes: packed.length, buckets, picked: NOTHING });
  }

  /** Takes all buckets away. */
  static drop(shelf: BucketShelf, db: number, key: Buffer, buckets: number): void {
    for (let n = 0; n < buckets; n++) shelf.write(db, key, n, null);
  }

  /** Whether it is the hash of this key. */
  isOf(db: number, key: Buffer): boolean {
    return this.db === db && this.key.equals(key);
  }

  get buckets(): number {
    return this.#buckets;
  }

  head(): Buffer {
    return encodeHead({ fields: this.fields, bytes: this.bytes, buckets: this.#buckets, picked: this.#picked });
  }

  valueOf(name: Buffer): Buffer | undefined {
    const { editor } = this.#shelf;
    const picked = editor.valueOf(this.#picked, name);
    if (picked !== undefined) return picked;
    const bucket = this.#bucketOf(name, 0, name.length);
    const old = this.#read(bucket);
    const value = old === null ? undefined : editor.valueOf(old, name);
    if (old === null || value === undefined) return undefined;
    const copy = Buffer.from(value);
    const writer = new PackedWriter(this.#picked.length + name.length + copy.length + 32);
    writer.add(name, 0, name.length, copy, 0, copy.length);
    this.#picked = Buffer.concat([this.#picked, writer.view()]);
    this.#shelf.write(this.db, this.key, bucket, editor.unset(old, [name]));
    this.changed = true;
    return copy;
  }

  set(patch: Buffer): void {
    const rest = this.#setPicked(patch);
    const fields = countFields(rest);
    if (fields * BUCKETS_A_FIELD < this.#buckets) {
      const cursor = new PackedCursor().reset(rest);
      for (let from = 0; cursor.next(); from = cursor.valueEnd) {
        const bucket = this.#bucketOf(rest, cursor.nameStart, cursor.nameEnd);
        this.#layOver(bucket, rest.subarray(from, cursor.valueEnd));
      }
    } else {
      // Buckets for what may come are made before, while there is little to be moved into them.
      this.#grow(this.fields + fields, this.bytes + rest.length);
      const { bytes, starts } = distribute(rest, this.#buckets);
      for (let n = 0; n < this.#buckets; n++) {
        const part = bytes.subarray(starts[n], starts[n + 1]);
        if (part.length > 0) this.#layOver(n, part);
      }
    }
    this.#grow(this.fields, this.bytes);
    this.#shrink();
  }

  increment(name: Buffer, by: bigint): boolean {
    const { editor } = this.#shelf;
    if (editor.valueOf(this.#picked, name) !== undefined) {
      const next = editor.increment(this.#picked, name, by);
      if (next === undefined) return false;
      this.#setPickedTo(next, 0);
      return true;
    }
    const bucket = this.#bucketOf(name, 0, name.length);
    const old = this.#read(bucket);
    const next = editor.increment(old, name, by);
    if (next === undefined) return false;
    this.#write(bucket, old, next, editor.added);
    this.#grow(this.fields, this.bytes);
    return true;
  }

  unset(names: readonly Buffer[]): void {
    const { editor } = this.#shelf;
    const left = editor.unset(this.#picked, names) ?? NOTHING;
    if (editor.added !== 0) this.#setPickedTo(left, editor.added);
    const byBucket = new Map<number, Buffer[]>();
    for (const name of names) {
      const bucket = this.#bucketOf(name, 0, name.length);
      const others = byBucket.get(bucket);
      if (others === undefined) byBucket.set(bucket, [name]);
      else others.push(name);
    }
    for (const [bucket, gone] of byBucket) {
      const old = this.#read(bucket);
      if (old === null) continue;
      const next = editor.unset(old, gone);
      if (editor.added !== 0) this.#write(bucket, old, next, editor.added);
    }
    this.#shrink();
  }

  whole(): Buffer {
    const all = Buffer.allocUnsafeSlow(this.bytes);
    let at = this.#picked.copy(all);
    for (let n = 0; n < this.#buckets; n++) at += this.#read(n)?.copy(all, at) ?? 0;
    return all;
  }

  /** Lays what of a patch is picked over it. @returns the rest of the patch */
  #setPicked(patch: Buffer): Buffer {
    if (this.#picked.length === 0) return patch;
    const { editor } = this.#shelf;
    const cursor = new PackedCursor().reset(patch);
    const rest: Buffer[] = [];
    const picked: Buffer[] = [];
    let restFrom = 0;
    for (let from = 0; cursor.next(); from = cursor.valueEnd) {
      if (!this.#isPicked(patch, cursor.nameStart, cursor.nameEnd)) continue;
      picked.push(patch.subarray(from, cursor.valueEnd));
      if (from > restFrom) rest.push(patch.subarray(restFrom, from));
      restFrom = cursor.valueEnd;
    }
    if (picked.length === 0) return patch;
    if (patch.length > restFrom) rest.push(patch.subarray(restFrom));
    const next = editor.set(this.#picked, one(picked));
    if (!next.equals(this.#picked)) this.#setPickedTo(next, 0);
    return one(rest);
  }

  #setPickedTo(next: Buffer, added: number): void {
    this.fields += added;
    this.bytes += next.length - this.#picked.length;
    this.#picked = Buffer.from(next);
    this.changed = true;
  }

  #isPicked(bytes: Buffer, start: number, end: number): boolean {
    const cursor = this.#shelf.cursor.reset(this.#picked);
    while (cursor.next()) {
      if (equalBytes(cursor.bytes, cursor.nameStart, cursor.nameEnd, bytes, start, end)) return true;
    }
    return false;
  }

  #bucketOf(bytes: Buffer, start: number, end: number): number {
    return bucketOf(hashOfName(bytes, start, end), this.#buckets);
  }

  #read(bucket: number): Buffer | null {
    return this.#shelf.read(this.db, this.key, bucket);
  }

  #layOver(bucket: number, patch: Buffer): void {
    const { editor } = this.#shelf;
    const old = this.#read(bucket);
    const next = editor.set(old, patch);
    if (old?.equals(next) !== true) this.#write(bucket, old, next, editor.added);
  }

  #write(bucket: number, old: Buffer | null, next: Buffer | null, added: number): void {
    this.#shelf.write(this.db, this.key, bucket, next);
    this.fields += added;
    this.bytes += (next?.length ?? 0) - (old?.length ?? 0);
    this.changed = true;
  }

  /** Makes the buckets that so many fields want, one by one: each takes fields from one other. */
  #grow(fields: number, bytes: number): void {
    const wanted = wantedBuckets(fields, bytes, this.#shelf.limits);
    while (this.#buckets < wanted) {
      const last = this.#buckets++;
      this.changed = true;
      const parent = parentOf(last);
      const packed = this.#read(parent);
      if (packed === null) continue;
      const [stays, moves] = divide(packed, last, this.#buckets);
      if (moves.length === 0) continue;
      this.#shelf.write(this.db, this.key, parent, stays);
      this.#shelf.write(this.db, this.key, last, moves);
    }
  }

  /** Gives buckets back, when there are far more than wanted. */
  #shrink(): void {
    const wanted = wantedBuckets(this.fields, this.bytes, this.#shelf.limits);
    while (this.#buckets > wanted * SLACK) {
      const last = --this.#buckets;
      const packed = this.#read(last);
      this.changed = true;
      if (packed === null) continue;
      const moved = Buffer.from(packed);
      const parent = parentOf(last);
      this.#shelf.write(this.db, this.key, parent, Buffer.concat([this.#read(parent) ?? moved.subarray(0, 0), moved]));
      this.#shelf.write(this.db, this.key, last, null);
    }
  }
}

function one(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 ? (parts[0] ?? NOTHING) : Buffer.concat(parts);
}
