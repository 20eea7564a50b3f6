import { decodeValue, oraType, type EngineValue } from './oracle-values.ts';
import { OraError } from './ora-errors.ts';
import type { Protocol } from './protocol.ts';
import type { TtcReader } from './ttc-codec.ts';

/** What a statement's bind, or a column that the client defines, is like. */
export interface BindType {
  readonly type: number;
  /** Bytes, at most. */
  readonly size: number;
}

/** Bits of an execute request. */
const option = {
  parse: 0x01,
  bind: 0x08,
  define: 0x10,
  execute: 0x20,
  fetch: 0x40,
  commit: 0x100,
  plsqlBind: 0x400,
  batchErrors: 0x80000,
} as const;
const rowCountsFlag = 0x4000;

/** A request to parse, execute, define or fetch. */
export interface ExecuteRequest {
  readonly cursor: number;
  /** The text of a statement that is parsed; undefined for one that was before. */
  readonly sql: string | undefined;
  readonly executes: boolean;
  readonly defines: readonly BindType[] | undefined;
  readonly binds: readonly BindType[];
  readonly rows: readonly (readonly EngineValue[])[];
  /** Rows to send with the answer. */
  readonly fetch: number;
  readonly commits: boolean;
  /** Whether rows that are refused leave the others be. */
  readonly batchErrors: boolean;
  readonly rowCounts: boolean;
}

/** Finds the value of a LOB by its locator. */
export type LobValue = (locator: Buffer) => EngineValue;

/**
 *   execute := ub(options) ub(cursor) p n p n p p p ub(rows to fetch) ub(longest LONG) p ub(binds) p p p p p
 *              p ub(defines) n p p p n p n n p n p [ p n p n p ] [ p n ]      12.2: field versions 8 and 9
 *              [ bytes(text) ] vector:13×ub bind-type* row*
 *
 * with p for a pointer (one byte), n for a number. vector[1] is the number of executions, vector[9] has flags.
 */
export function readExecute(reader: TtcReader, { fieldVersion }: Protocol, lobs: LobValue): ExecuteRequest {
  const options = reader.ub();
  if ((options & option.plsqlBind) !== 0) throw new OraError(3115, 'PL/SQL is not executed by this stand-in');
  const cursor = reader.ub();
  reader.skip('pnpnppp');
  const fetch = reader.ub();
  reader.skip('np');
  const bindCount = reader.ub();
  reader.skip('pppppp');
  const defineCount = reader.ub();
  reader.skip('npppnpnnpnp');
  if (fieldVersion >= 8) reader.skip('pnpnp');
  if (fieldVersion >= 9) reader.skip('pn');
  const sql = (options & option.parse) === 0 ? undefined : reader.string();
  const vector = Array.from({ length: 13 }, () => reader.ub());
  const defining = (options & option.define) !== 0;
  const types = Array.from({ length: defining ? defineCount : bindCount }, () => readBindType(reader, fieldVersion));
  return {
    cursor,
    sql,
    executes: (options & option.execute) !== 0,
    defines: defining ? types : undefined,
    binds: defining ? [] : types,
    rows: defining ? [] : readRows(reader, types, lobs),
    fetch: (options & option.fetch) === 0 ? 0 : fetch,
    commits: (options & option.commit) !== 0,
    batchErrors: (options & option.batchErrors) !== 0,
    rowCounts: ((vector[9] ?? 0) & rowCountsFlag) !== 0,
  };
}

/** re-execute := ub(cursor) ub(executions, or rows to fetch) ub(flags) ub(flags) row*      bit 1 of the last commits */
export function readReexecute(
  reader: TtcReader,
  fetches: boolean,
  bindsOf: (cursor: number) => readonly BindType[],
  lobs: LobValue,
): ExecuteRequest {
  const cursor = reader.ub();
  const count = reader.ub();
  reader.ub();
  const commits = (reader.ub() & 1) !== 0;
  const binds = bindsOf(cursor);
  const rows = readRows(reader, binds, lobs);
  return {
    cursor,
    sql: undefined,
    executes: true,
    defines: undefined,
    binds,
    rows,
    fetch: fetches ? count : 0,
    commits,
    batchErrors: false,
    rowCounts: false,
  };
}

/** bind-type := type:1 flags:1 0 0 ub(size) ub(elements) ub(flags) n [ bytes ] n n form:1 n [ n ] */
function readBindType(reader: TtcReader, fieldVersion: number): BindType {
  const type = reader.u8();
  reader.raw(3);
  const size = reader.ub();
  reader.skip('nn');
  if (reader.ub() > 0) throw new OraError(3115, 'binds of object types are not known to this stand-in');
  reader.skip('nnpn');
  if (fieldVersion >= 8) reader.ub();
  return { type, size };
}

/** row := 7 value*      values that are larger than a text can be come last, whatever their position */
function readRows(reader: TtcReader, binds: readonly BindType[], lobs: LobValue): EngineValue[][] {
  const rows: EngineValue[][] = [];
  const large = binds.map(({ size }) => size > 32_767);
  const order = [...binds.keys()].toSorted((a, b) => Number(large[a]) - Number(large[b]));
  while (reader.next === 7) {
    reader.u8();
    const row: EngineValue[] = [];
    for (const index of order) row[index] = readValue(reader, binds[index]?.type ?? 0, lobs);
    rows.push(row);
  }
  return rows;
}

/** value := bytes | 0 | ub(length) bytes(locator of a LOB) */
function readValue(reader: TtcReader, type: number, lobs: LobValue): EngineValue {
  if (type !== oraType.clob && type !== oraType.blob) return decodeValue(type, reader.bytes());
  if (reader.ub() === 0) return null;
  return lobs(reader.bytes() ?? Buffer.alloc(0));
}
