import type { OraError } from './ora-errors.ts';
import type { Protocol } from './protocol.ts';
import type { TtcWriter } from './ttc-codec.ts';

/** What the end of an answer tells of the session. */
export interface CallState {
  readonly protocol: Protocol;
  readonly inTransaction: boolean;
  /** Counts the requests. */
  readonly sequence: number;
}

export interface CallEnd {
  readonly cursor?: number;
  /** Rows that were hit, or fetched so far. */
  readonly rows?: number;
  readonly error?: OraError | undefined;
  /** Errors of single rows of an array. */
  readonly rowErrors?: readonly RowError[];
}

export interface RowError {
  /** Of the row in the array, from 0. */
  readonly offset: number;
  readonly error: OraError;
}

/** status := 9 ub(call status) ub(sequence) — the end of an answer that has nothing else to say */
export function writeStatus(writer: TtcWriter, state: CallState): void {
  writer.u8(9).ub(callStatus(state), state.sequence & 0xffff);
}

/** Bit 2 says that a transaction is open. */
function callStatus({ inTransaction }: CallState): number {
  return inTransaction ? 2 : 1;
}

/**
 * The end of an answer:
 *
 *   end := 4 ub(call status) ub(sequence) ub(row) ub(number) ub(0) ub(0) ub(cursor) sb(position in the text) type:1 zeros:5
 *          rowid ub(0) zeros:2 ub(0) ub(rows) ub(0)
 *          numbers offsets messages                       one of each a row error
 *          ub(number) ub(rows) [ ub(type) ub(0) ]         the last two from field version 14 on
 *          [ bytes(message) ]                             when the number is not 0
 *   rowid := ub(object) ub(file) 0 ub(block) ub(slot)
 *   numbers, offsets := ub(n) [ length:1 ub* ]  |  ub(n) 0xFE (ub(length) ub)* 0
 *   messages := ub(n) [ length:1 (ub(length) bytes(message) zeros:2)* ]
 */
export function writeEnd(writer: TtcWriter, state: CallState, end: CallEnd = {}): void {
  const { cursor = 0, rows = 0, rowErrors = [] } = end;
  const error = rowErrors.length > 0 ? arrayError : end.error;
  const number = error?.number ?? 0;
  const row = end.error?.rowsBefore ?? rows;
  writer
    .u8(4)
    .ub(callStatus(state), state.sequence & 0xffff, row, number, 0, 0, cursor)
    .sb(0)
    .zeros(6);
  writer.ub(0, 0).u8(0).ub(0, 0).ub(0).zeros(2).ub(0, rows, 0);
  writeNumbers(writer, rowErrors, 2, (item) => item.error.number);
  writeNumbers(writer, rowErrors, 4, (item) => item.offset);
  writer.ub(rowErrors.length);
  if (rowErrors.length > 0) writer.u8(Math.min(rowErrors.length, 0xfd));
  for (const item of rowErrors) {
    const message = Buffer.from(`${item.error.message}\n`);
    writer.ub(message.length).bytes(message).zeros(2);
  }
  writer.ub(number, rows);
  if (state.protocol.fieldVersion >= 14) writer.ub(0, 0);
  if (error !== undefined) writer.bytes(`${error.message}\n`);
}

const arrayError = { number: 24381, message: 'ORA-24381: error(s) in array DML' };

/** What fits into no length of one byte is chunked. */
const shortList = 60;

function writeNumbers(writer: TtcWriter, items: readonly RowError[], bytes: number, of: (item: RowError) => number) {
  writer.ub(items.length);
  if (items.length === 0) return;
  const chunked = items.length > shortList;
  writer.u8(chunked ? 0xfe : items.length * bytes);
  for (const item of items) {
    if (chunked) writer.ub(bytes);
    writer.ub(of(item));
  }
  if (chunked) writer.u8(0);
}
