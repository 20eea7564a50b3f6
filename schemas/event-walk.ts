import avro, { type Type } from 'avsc';
import { AvroCursor } from './avro-cursor.ts';
import { exactLong, microsOf, millisLong, WrittenDecimal } from './avro-type.ts';
import type { ColumnReader, ColumnValue } from './column-value.ts';

/** How to read a type from bytes, and how to pass over it. */
interface Walk {
  readonly read: (cursor: AvroCursor) => unknown;
  readonly skip: (cursor: AvroCursor) => void;
  /** Values such that whoever takes these takes all; undefined when one has to look at each. */
  readonly samples: readonly unknown[] | undefined;
}

/** A column that is wanted, by its name. */
export interface WantedColumn {
  readonly name: string;
  readonly read: ColumnReader;
}

/** The values of the wanted columns, in their order; undefined where one was written as another type than its own. */
export type WalkedColumns = (ColumnValue | undefined)[];

/** Whether each column was written as a type that it takes. */
export function isComplete(values: WalkedColumns): values is ColumnValue[] {
  return !values.includes(undefined);
}

/** What an envelope says, of what is looked at. */
export interface WalkedEvent {
  /** Where its row stands; −1 when it has none. */
  readonly rowAt: number;
  /** Whether each wanted column of the row was written as a type that it takes. */
  readonly rowFits: boolean;
  /** Where its version stands, a long. */
  readonly versionAt: number;
  readonly op: string;
}

/**
 * Goes through the bytes of keys. They stand from an offset up to an end, and nothing else between.
 * `fits`: whether all wanted columns are there, each as a type that it takes. `read`: their values.
 * Both throw a RangeError when the bytes are no such key.
 */
export interface KeyWalker {
  readonly fits: (bytes: Buffer, at: number, end: number) => boolean;
  readonly read: (bytes: Buffer, at: number, end: number) => WalkedColumns;
}

/**
 * Goes through the bytes of events. `walk` checks a whole one, and tells where things stand in it, so that what is asked
 * for can be read later, and as often as it is asked for. It throws a RangeError when the bytes are no such event.
 */
export interface EventWalker {
  readonly walk: (bytes: Buffer, at: number, end: number) => WalkedEvent;
  readonly row: (bytes: Buffer, rowAt: number, end: number) => WalkedColumns;
  readonly version: (bytes: Buffer, versionAt: number, end: number) => number | bigint;
}

const sizedWalk = (read: Walk['read'], samples?: readonly unknown[]): Walk => ({
  read,
  skip: (cursor) => {
    cursor.skip(cursor.int());
  },
  samples,
});
const varintWalk = (read: Walk['read'], samples: readonly unknown[]): Walk => ({ read, skip: read, samples });
const fixedWalk = (length: number, read: Walk['read'], samples: readonly unknown[]): Walk => ({
  read,
  skip: (cursor) => {
    cursor.skip(length);
  },
  samples,
});

const longs = [0, 2n ** 62n];
const longWalk = varintWalk((cursor) => cursor.long(), longs);
/** Who takes these takes all bytes. */
const notUtf8 = Buffer.from([0xff]);
const nullWalk: Walk = { read: () => null, skip: () => undefined, samples: [null] };

/** Records of this program lie less deep than this; one that holds itself would lie deep without end. */
const DEEPEST = 8;

/** @returns undefined for types that the events of this program do not have */
function walkOf(type: Type, depth: number): Walk | undefined {
  const { types } = avro;
  if (depth > DEEPEST) return undefined;
  if (type === exactLong) return longWalk;
  if (type === millisLong) return varintWalk((cursor) => microsOf(cursor.long()), longs);
  if (type instanceof WrittenDecimal) {
    if (!(type.underlyingType instanceof types.BytesType)) return undefined;
    return sizedWalk((cursor) => type.textOf(cursor.sized()));
  }
  if (type instanceof types.StringType) return sizedWalk((cursor) => cursor.text(), ['']);
  if (type instanceof types.BytesType) return sizedWalk((cursor) => cursor.sized(), [notUtf8]);
  if (type instanceof types.IntType) return varintWalk((cursor) => cursor.int(), [0]);
  if (type instanceof types.BooleanType) return fixedWalk(1, (cursor) => cursor.byte() !== 0, [false]);
  if (type instanceof types.FloatType) return fixedWalk(4, (cursor) => cursor.float(), [0]);
  if (type instanceof types.DoubleType) return fixedWalk(8, (cursor) => cursor.double(), [0]);
  if (type instanceof types.NullType) return nullWalk;
  if (type instanceof types.UnwrappedUnionType) return unionWalk(type.types.map((branch) => walkOf(branch, depth + 1)));
  if (type instanceof types.RecordType) return recordWalk(type.fields.map((field) => walkOf(field.type, depth + 1)));
  return undefined;
}

function unionWalk(found: readonly (Walk | undefined)[]): Walk | undefined {
  const branches = allOf(found);
  if (branches === undefined) return undefined;
  return {
    read: (cursor) => branchOf(cursor, branches).read(cursor),
    skip: (cursor) => {
      branchOf(cursor, branches).skip(cursor);
    },
    samples: allOf(branches.map(({ samples }) => samples))?.flat(),
  };
}

/** Records inside a row are passed over only: no type of column is one. */
function recordWalk(found: readonly (Walk | undefined)[]): Walk | undefined {
  const fields = allOf(found);
  if (fields === undefined) return undefined;
  const skip = (cursor: AvroCursor) => {
    for (const field of fields) field.skip(cursor);
  };
  const read = (cursor: AvroCursor) => {
    skip(cursor);
    return {};
  };
  return { read, skip, samples: undefined };
}

function branchOf<T>(cursor: AvroCursor, branches: readonly T[]): T {
  const branch = branches[cursor.int()];
  if (branch === undefined) throw new RangeError('a union has no such branch');
  return branch;
}

function allOf<T>(items: readonly (T | undefined)[]): readonly T[] | undefined {
  const found = items.filter((item) => item !== undefined);
  return found.length === items.length ? found : undefined;
}

interface Columns {
  /** Passes over them. @returns whether each wanted one was written as a type that it takes */
  readonly fit: (cursor: AvroCursor) => boolean;
  readonly read: (cursor: AvroCursor) => WalkedColumns;
}

/** Columns that the writer did not have are null, those that nobody wants are passed over. */
function columnsOf(type: Type, wanted: readonly WantedColumn[]): Columns | undefined {
  if (!(type instanceof avro.types.RecordType)) return undefined;
  const walks = allOf(type.fields.map((field) => walkOf(field.type, 0)));
  if (walks === undefined) return undefined;
  const steps = walks.map((walk, at) => {
    const slot = wanted.findIndex(({ name }) => name === type.fields[at]?.name);
    const column = wanted[slot];
    return { walk, slot, column, doubted: column !== undefined && !takesAll(column, walk) };
  });
  const empty: null[] = wanted.map(() => null);
  return {
    fit: (cursor) => {
      let fits = true;
      for (const { walk, column, doubted } of steps) {
        if (!doubted || column === undefined) walk.skip(cursor);
        else if (taken(column, walk, cursor) === undefined) fits = false;
      }
      return fits;
    },
    read: (cursor) => {
      const values: WalkedColumns = [...empty];
      for (const { walk, slot, column } of steps) {
        if (column === undefined) walk.skip(cursor);
        else values[slot] = taken(column, walk, cursor);
      }
      return values;
    },
  };
}

function taken(column: WantedColumn, walk: Walk, cursor: AvroCursor): ColumnValue | undefined {
  const value = walk.read(cursor);
  return value === null ? null : column.read(value);
}

/** Whether a column takes whatever is written as a type, so that nobody has to look. */
function takesAll(column: WantedColumn, { samples }: Walk): boolean {
  return samples?.every((sample) => sample === null || column.read(sample) !== undefined) ?? false;
}

/** Reads a record's key. @returns undefined when its schema is not of the kind that this program writes */
export function keyWalker(type: Type, wanted: readonly WantedColumn[]): KeyWalker | undefined {
  const columns = columnsOf(type, wanted);
  if (columns === undefined) return undefined;
  const read = wholeDatum(columns.read);
  const fits = alwaysThere(type, wanted)
    ? wholeDatum(columns.fit)
    : (bytes: Buffer, at: number, end: number) => {
        const values = read(bytes, at, end);
        return isComplete(values) && !values.includes(null);
      };
  return { fits, read };
}

/** Whether all wanted columns are in the schema of a key, and never null. */
function alwaysThere(type: Type, wanted: readonly WantedColumn[]): boolean {
  if (!(type instanceof avro.types.RecordType)) return false;
  const { fields } = type;
  return wanted.every(({ name }) => {
    const found = fields.find((field) => field.name === name);
    return found !== undefined && walkOf(found.type, 0)?.samples?.includes(null) === false;
  });
}

/** Reads an envelope in one pass. @returns undefined when its schema is not of the kind that this program writes */
export function eventWalker(type: Type, wanted: readonly WantedColumn[]): EventWalker | undefined {
  const [before, after, source, op, ...rest] = fieldsOf(type, ['before', 'after', 'source', 'op']) ?? [];
  if (before === undefined || after === undefined || source === undefined || op === undefined) return undefined;
  const skipped = allOf([before, ...rest].map((part) => walkOf(part, 0)));
  const row = rowOf(after, wanted);
  const versionAt = versionPlace(source);
  const [first, ...last] = skipped ?? [];
  if (first === undefined || row === undefined || versionAt === undefined) return undefined;
  if (!(op instanceof avro.types.StringType)) return undefined;
  const branches = [none, row];
  let lastOp = '';
  const cursor = new AvroCursor();
  return {
    walk: wholeDatum((datum) => {
      first.skip(datum);
      const present = branchOf(datum, branches);
      const rowAt = present === none ? -1 : datum.at;
      const rowFits = present.fit(datum);
      const version = versionAt(datum);
      lastOp = datum.textLike(lastOp);
      for (const walk of last) walk.skip(datum);
      return { rowAt, rowFits, versionAt: version, op: lastOp };
    }),
    row: (bytes, rowAt, end) => {
      cursor.begin(bytes, rowAt, end);
      return row.read(cursor);
    },
    version: (bytes, at, end) => {
      cursor.begin(bytes, at, end);
      return cursor.long();
    },
  };
}

/** The branch of a union that has no row. */
const none: Columns = { fit: () => true, read: () => [] };

/** The types of a record's fields, if the first of them have these names. */
function fieldsOf(type: Type, names: readonly string[]): Type[] | undefined {
  if (!(type instanceof avro.types.RecordType)) return undefined;
  const { fields } = type;
  return names.every((name, at) => fields[at]?.name === name) ? fields.map((field) => field.type) : undefined;
}

/** `after`: null or a row. */
function rowOf(type: Type, wanted: readonly WantedColumn[]): Columns | undefined {
  if (!(type instanceof avro.types.UnwrappedUnionType)) return undefined;
  const [none, row, ...others] = type.types;
  if (!(none instanceof avro.types.NullType) || row === undefined || others.length > 0) return undefined;
  return columnsOf(row, wanted);
}

/** Passes over the source block, and tells where in it the version stands. */
function versionPlace(type: Type): ((cursor: AvroCursor) => number) | undefined {
  if (!(type instanceof avro.types.RecordType)) return undefined;
  const { fields } = type;
  const walks = allOf(fields.map((field) => walkOf(field.type, 0)));
  const versionAt = fields.findIndex((field) => field.name === 'version' && field.type === exactLong);
  if (walks === undefined || versionAt < 0) return undefined;
  const before = walks.slice(0, versionAt);
  const rest = walks.slice(versionAt);
  return (cursor) => {
    for (const walk of before) walk.skip(cursor);
    const place = cursor.at;
    for (const walk of rest) walk.skip(cursor);
    return place;
  };
}

function wholeDatum<T>(read: (cursor: AvroCursor) => T): (bytes: Buffer, at: number, end: number) => T {
  const cursor = new AvroCursor();
  return (bytes, at, end) => {
    cursor.begin(bytes, at, end);
    const datum = read(cursor);
    if (cursor.at !== end) throw new RangeError('other bytes follow');
    return datum;
  };
}
