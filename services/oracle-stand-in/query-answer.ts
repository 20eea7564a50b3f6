import { randomBytes } from 'node:crypto';
import { writeEnd, type CallState } from './call-end.ts';
import type { BindType } from './execute-request.ts';
import { charset } from './handshake.ts';
import { encodeValue, oraType, type EngineValue } from './oracle-values.ts';
import { OraError } from './ora-errors.ts';
import type { TtcWriter } from './ttc-codec.ts';

/** A column of a result. */
export interface ResultColumn {
  readonly name: string;
  readonly type: number;
  readonly precision: number;
  readonly scale: number;
  /** Bytes of a value, at most. */
  readonly size: number;
  /** Characters of a text, at most. */
  readonly characters: number;
  readonly nullable: boolean;
}

/** The rows of a query, and how far they have been sent. */
export interface Result {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly (readonly EngineValue[])[];
  sent: number;
}

/** Keeps a LOB until its session ends, and gives its locator. */
export type KeepLob = (type: number, value: Buffer) => Buffer;

const isLob = (type: number): boolean => type === oraType.clob || type === oraType.blob;
/** Bytes or characters of a LOB in one of its chunks. */
export const lobChunk = 8132;

/**
 *   describe := 16 bytes ub(width) ub(columns) [ 1 ] column* n n n n n n
 *   column   := type:1 flags:1 precision:1 scale:1 ub(size) n n n n ub(charset) form:1 ub(characters) [ n ]
 *               nullable:1 length:1 text(name) text(schema) text(type) ub(position) ub(flags) [ n n ] [ n ] [ n p p ]
 *
 * with what is in brackets from field version 8, 17, 20 and 24 on.
 */
export function writeDescription(writer: TtcWriter, { columns }: Result, fieldVersion: number): void {
  writer.u8(16).bytes(randomBytes(16)).ub(100, columns.length);
  if (columns.length > 0) writer.u8(1);
  for (const [index, column] of columns.entries()) {
    const isText = column.characters > 0 || column.type === oraType.clob;
    writer.u8(column.type, 0, column.precision, column.scale).ub(column.size, 0, 0, 0, 0);
    writer.ub(isText ? charset : 0).u8(isText ? 1 : 0);
    writer.ub(column.characters);
    if (fieldVersion >= 8) writer.ub(0);
    const name = Buffer.from(column.name);
    writer
      .u8(column.nullable ? 1 : 0, name.length)
      .text(column.name)
      .text('')
      .text('')
      .ub(index, 0);
    if (fieldVersion >= 17) writer.ub(0, 0);
    if (fieldVersion >= 20) writer.ub(0);
    if (fieldVersion >= 24) writer.ub(0).u8(0, 0);
  }
  writer.ub(0, 0, 0, 0, 0, 0);
}

/** Whether a client defines the columns before it fetches: LOBs come as locators, and it may want texts. */
export function needsDefines({ columns }: Result): boolean {
  return columns.some(({ type }) => isLob(type));
}

/** parameters := 8 n n n n      what a query's answer has before its end */
export function writeQueryParameters(writer: TtcWriter): void {
  writer.u8(8).ub(0, 0, 0, 0);
}

/**
 *   rows   := [ header ] row* end
 *   header := 6 2 ub(columns) n ub(rows) n n n
 *   row    := 7 value*
 *   value  := bytes | ub(length) ub(size) ub(chunk) bytes(locator)
 *           | bytes 0 0                                                     of a LONG, or what the client defines so
 *
 * ORA-01403 in the end says that no row follows.
 */
export function writeRows(
  writer: TtcWriter,
  state: CallState,
  cursor: number,
  result: Result,
  options: { count: number; defines: readonly BindType[] | undefined; keep: KeepLob; afterRows?: () => void },
): void {
  const { columns, rows } = result;
  const end = Math.min(rows.length, result.sent + options.count);
  if (end > result.sent) writer.u8(6, 2).ub(columns.length, 0, options.count, 0, 0, 0);
  for (; result.sent < end; result.sent++) {
    writer.u8(7);
    for (const [index, column] of columns.entries()) {
      const define = options.defines?.[index];
      writeValue(writer, define?.type ?? column.type, rows[result.sent]?.[index] ?? null, options.keep);
      if (define !== undefined && isLong(define)) writer.ub(0, 0);
    }
  }
  options.afterRows?.();
  const error = result.sent >= rows.length ? new OraError(1403, 'no data found') : undefined;
  writeEnd(writer, state, { cursor, rows: result.sent, error });
}

function isLong({ type, size }: BindType): boolean {
  return type === oraType.long || type === oraType.longRaw || size > 32_767;
}

function writeValue(writer: TtcWriter, type: number, value: EngineValue, keep: KeepLob): void {
  if (value === null) {
    writer.u8(0);
    return;
  }
  if (!isLob(type)) {
    writer.bytes(encodeValue(type, value));
    return;
  }
  const bytes = Buffer.isBuffer(value.value) ? value.value : Buffer.from(String(value.value));
  const length = Buffer.isBuffer(value.value) ? bytes.length : String(value.value).length;
  const locator = keep(type, bytes);
  writer.ub(locator.length, length, lobChunk).bytes(locator);
}
