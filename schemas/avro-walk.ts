import avro, { type Type } from 'avsc';
import { type AvroCursor, FIXED, OPTIONAL, type Passage, SIZED, VARINT } from './avro-cursor.ts';
import { exactLong, microsOf, millisLong, WrittenDecimal } from './avro-type.ts';

/** How to read a type from bytes, and how to pass over it. */
export interface Walk {
  readonly read: (cursor: AvroCursor) => unknown;
  readonly skip: (cursor: AvroCursor) => void;
  /** The same as steps, where they can say it. */
  readonly passage: Passage | undefined;
  /** Values such that whoever takes these takes all; undefined when one has to look at each. */
  readonly samples: readonly unknown[] | undefined;
}

const passing = (passage: Passage, read: Walk['read'], samples?: readonly unknown[]): Walk => ({
  read,
  skip: (cursor) => {
    cursor.pass(passage);
  },
  passage,
  samples,
});
const sizedWalk = (read: Walk['read'], samples?: readonly unknown[]): Walk => passing([SIZED], read, samples);
const varintWalk = (read: Walk['read'], samples: readonly unknown[]): Walk => passing([VARINT], read, samples);
const fixedWalk = (length: number, read: Walk['read'], samples: readonly unknown[]): Walk =>
  passing([FIXED, length], read, samples);

const longs = [0, 2n ** 62n];
const longWalk = varintWalk((cursor) => cursor.long(), longs);
/** Who takes these takes all bytes. */
const notUtf8 = Buffer.from([0xff]);
const nullWalk = passing([], () => null, [null]);

/** Records of this program lie less deep than this; one that holds itself would lie deep without end. */
const DEEPEST = 8;

/** @returns undefined for types that the events of this program do not have */
export function walkOf(type: Type, depth = 0): Walk | undefined {
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
  const read: Walk['read'] = (cursor) => branchOf(cursor, branches).read(cursor);
  const samples = allOf(branches.map((branch) => branch.samples))?.flat();
  const [none, value, ...others] = branches;
  if (none === nullWalk && value?.passage !== undefined && others.length === 0) {
    return passing([OPTIONAL, value.passage.length, ...value.passage], read, samples);
  }
  const skip: Walk['skip'] = (cursor) => {
    branchOf(cursor, branches).skip(cursor);
  };
  return { read, skip, passage: undefined, samples };
}

/** Records inside a row are passed over only: no type of column is one. */
function recordWalk(found: readonly (Walk | undefined)[]): Walk | undefined {
  const fields = allOf(found);
  if (fields === undefined) return undefined;
  const skip = skipAll(fields);
  const read: Walk['read'] = (cursor) => {
    skip(cursor);
    return {};
  };
  return { read, skip, passage: passageOf(fields), samples: undefined };
}

/** Passes over some parts, one after the other: in one go, where steps can say it. */
export function skipAll(walks: readonly Walk[]): Walk['skip'] {
  const passage = passageOf(walks);
  if (passage === undefined) {
    return (cursor) => {
      for (const walk of walks) walk.skip(cursor);
    };
  }
  return (cursor) => {
    cursor.pass(passage);
  };
}

function passageOf(walks: readonly Walk[]): Passage | undefined {
  return allOf(walks.map(({ passage }) => passage))?.flat();
}

/** The branch of a union that was written. @throws RangeError */
export function branchOf<T>(cursor: AvroCursor, branches: readonly T[]): T {
  const branch = branches[cursor.int()];
  if (branch === undefined) throw new RangeError('a union has no such branch');
  return branch;
}

/** @returns undefined when one of them is */
export function allOf<T>(items: readonly (T | undefined)[]): readonly T[] | undefined {
  const found = items.filter((item) => item !== undefined);
  return found.length === items.length ? found : undefined;
}
