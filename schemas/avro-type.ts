import avro, { type Type } from 'avsc';
import { decimalText } from './decimal-text.ts';

type SchemaInput = Parameters<typeof avro.Type.forSchema>[0];

/**
 * Reads longs exactly: as a number where it is a safe integer, otherwise as a bigint. (avsc's own longs throw there.)
 * Only reading is needed; the bytes are the varint as it stands in the record.
 */
export const exactLong = longReadBy(longOfVarint);

function longReadBy(fromBuffer: (bytes: Buffer) => number | bigint): Type {
  return avro.types.LongType.__with(
    {
      fromBuffer,
      toBuffer: (value: bigint | number) => {
        const zigzag = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
        const bytes: number[] = [];
        for (let rest = zigzag; ; rest >>= 7n) {
          bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
          if (rest <= 127n) return Buffer.from(bytes);
        }
      },
      fromJSON: (value: number) => value,
      toJSON: Number,
      isValid: (value: unknown) => typeof value === 'bigint' || Number.isSafeInteger(value),
      compare: (a: bigint | number, b: bigint | number) => (a < b ? -1 : a > b ? 1 : 0),
    },
    true,
  );
}

function longOfVarint(bytes: Buffer): number | bigint {
  if (bytes.length <= 8) {
    let zigzag = 0;
    let unit = 1;
    for (let at = 0; at < bytes.length; at++) {
      zigzag += (bytes.readUInt8(at) & 127) * unit;
      unit *= 128;
    }
    if (zigzag <= Number.MAX_SAFE_INTEGER) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }
  let zigzag = 0n;
  for (let at = bytes.length - 1; at >= 0; at--) zigzag = (zigzag << 7n) | BigInt(bytes.readUInt8(at) & 127);
  const value = BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n));
  return isSafe(value) ? Number(value) : value;
}

/** Reads milliseconds as microseconds, so that all timestamps have one unit. */
export const millisLong = longReadBy((bytes) => microsOf(longOfVarint(bytes)));

/** Milliseconds as microseconds. */
export function microsOf(ms: number | bigint): number | bigint {
  const exact = BigInt(ms) * 1000n;
  return isSafe(exact) ? Number(exact) : exact;
}

function isSafe(value: bigint): boolean {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
}

/** Reads decimals as texts, with the digits after the point that the schema says they were written with. */
export class WrittenDecimal extends avro.types.LogicalType {
  readonly #scale: number;

  constructor(schema: SchemaInput, options?: unknown) {
    super(schema, options);
    this.#scale = typeof schema === 'object' && 'scale' in schema ? Number(schema.scale) : 0;
  }

  /** avsc hands on nothing when the bytes end too early, and says so later. */
  protected override _fromValue(bytes: unknown): string | undefined {
    return Buffer.isBuffer(bytes) ? this.textOf(bytes) : undefined;
  }

  /** The number of these bytes. */
  textOf(bytes: Buffer): string {
    const unscaled = bytes.length === 0 ? 0n : BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
    return decimalText(unscaled, this.#scale);
  }

  /** A partial decoder reads every field by the very type that wrote it: what that has read is right as it is. */
  protected override _resolve(type: Type): ((value: unknown) => unknown) | undefined {
    return type === this ? (value) => value : undefined;
  }
}

/** An Avro type from the text of its schema. @throws what avsc or JSON say of a text that is no schema. */
export function avroType(schema: string): Type {
  const parsed: unknown = JSON.parse(schema);
  if (!isSchema(parsed)) throw new TypeError('the schema is neither a text nor an object');
  return avro.Type.forSchema(parsed, { typeHook: longHook, logicalTypes: { decimal: WrittenDecimal } });
}

/** A long, with or without attributes such as a logical type. */
function longHook(schema: unknown): Type | undefined {
  if (schema === 'long') return exactLong;
  if (typeof schema !== 'object' || schema === null || !('type' in schema) || schema.type !== 'long') return undefined;
  return 'logicalType' in schema && schema.logicalType === 'timestamp-millis' ? millisLong : exactLong;
}

/** avsc judges the rest. */
function isSchema(value: unknown): value is SchemaInput {
  return typeof value === 'string' || (typeof value === 'object' && value !== null);
}

/** Fields of a record that are wanted: whole, or parts of a record themselves. */
export interface RecordParts {
  readonly [field: string]: true | RecordParts;
}

type Decode = (bytes: Buffer, at: number) => { readonly value: unknown; readonly offset: number };

/**
 * A decoder that makes values of the wanted fields only and passes over the others, which costs much less than making
 * them. A type that has not all of these fields is read whole: what is missing is for the reader of the value to say.
 */
export function partialDecoder(type: Type, parts: RecordParts): Decode {
  const wanted = partOf(type, parts);
  if (wanted === undefined) return (bytes, at) => type.decode(bytes, at);
  const resolver = wanted.createResolver(type);
  return (bytes, at) => wanted.decode(bytes, at, resolver);
}

/** The type of a record without the fields that are not wanted. */
function partOf(type: Type, parts: RecordParts): Type | undefined {
  if (!(type instanceof avro.types.RecordType) || type.name === undefined) return undefined;
  const fields: { name: string; type: Type }[] = [];
  for (const field of type.fields) {
    const part = parts[field.name];
    if (part === undefined) continue;
    const inner = part === true ? field.type : partOf(field.type, part);
    if (inner === undefined) return undefined;
    fields.push({ name: field.name, type: inner });
  }
  if (fields.length !== Object.keys(parts).length) return undefined;
  return avro.Type.forSchema({ type: 'record', name: type.name, fields });
}
