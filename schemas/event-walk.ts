import avro, { type Type } from 'avsc';
import { AvroCursor } from './avro-cursor.ts';
import { exactLong } from './avro-type.ts';
import { allOf, branchOf, skipAll, type Walk, walkOf } from './avro-walk.ts';
import type { ColumnReader, ColumnValue } from './column-value.ts';

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

interface Columns {
  /** Passes over them. @returns whether each wanted one was written as a type that it takes */
  readonly fit: (cursor: AvroCursor) => boolean;
  readonly read: (cursor: AvroCursor) => WalkedColumns;
}

/** Columns that the writer did not have are null, those that nobody wants are passed over. */
function columnsOf(type: Type, wanted: readonly WantedColumn[]): Columns | undefined {
  if (!(type instanceof avro.types.RecordType)) return undefined;
  const walks = allOf(type.fields.map((field) => walkOf(field.type)));
  if (walks === undefined) return undefined;
  const steps = walks.map((walk, at) => {
    const slot = wanted.findIndex(({ name }) => name === type.fields[at]?.name);
    const column = wanted[slot];
    return { walk, slot, column, doubted: column !== undefined && !takesAll(column, walk) };
  });
  const empty: null[] = wanted.map(() => null);
  const skip = skipAll(walks);
  const isDoubted = steps.some(({ doubted }) => doubted);
  return {
    fit: (cursor) => {
      if (!isDoubted) {
        skip(cursor);
        return true;
      }
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
    return found !== undefined && walkOf(found.type)?.samples?.includes(null) === false;
  });
}

/** Reads an envelope in one pass. @returns undefined when its schema is not of the kind that this program writes */
export function eventWalker(type: Type, wanted: readonly WantedColumn[]): EventWalker | undefined {
  const [before, after, source, op, ...rest] = fieldsOf(type, ['before', 'after', 'source', 'op']) ?? [];
  if (before === undefined || after === undefined || source === undefined || op === undefined) return undefined;
  const skipped = allOf([before, ...rest].map((part) => walkOf(part)));
  const row = rowOf(after, wanted);
  const versionAt = versionPlace(source);
  const [first, ...last] = skipped ?? [];
  const skipLast = skipAll(last);
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
      skipLast(datum);
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
  const walks = allOf(fields.map((field) => walkOf(field.type)));
  const versionAt = fields.findIndex((field) => field.name === 'version' && field.type === exactLong);
  if (walks === undefined || versionAt < 0) return undefined;
  const skipBefore = skipAll(walks.slice(0, versionAt));
  const skipRest = skipAll(walks.slice(versionAt));
  return (cursor) => {
    skipBefore(cursor);
    const place = cursor.at;
    skipRest(cursor);
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
