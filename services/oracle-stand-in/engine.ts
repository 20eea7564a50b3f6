import { connect, type Socket } from 'node:net';
import type { BindType } from './execute-request.ts';
import { oraType, type EngineValue } from './oracle-values.ts';
import { oraErrorOf, type OraError } from './ora-errors.ts';
import type { RowError } from './call-end.ts';
import type { ResultColumn } from './query-answer.ts';

const tags = { text: 1, decimal: 2, bytes: 3, time: 4, 'offset-time': 5, double: 6 } as const;

/** What a statement came to: rows of a query, or how many rows each execution hit. */
export type Outcome =
  | { readonly columns: readonly ResultColumn[]; readonly rows: readonly (readonly EngineValue[])[] }
  | { readonly counts: readonly number[]; readonly rowErrors: readonly RowError[] };

/** One session of H2, behind Bridge.java, which says how both talk. */
export class Engine {
  readonly #socket: Socket;
  readonly #waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void }[] = [];
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.#take(chunk);
    });
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(oraErrorOf('90121', 90121, 'the session has ended', 0));
    });
  }

  /** @param user of H2 */
  static open(port: number, user: string): Engine {
    const engine = new Engine(connect(port, '127.0.0.1'));
    engine.#socket.write(text(user));
    return engine;
  }

  /** Calls when the session has ended from the database's side. */
  onEnd(ended: () => void): void {
    this.#socket.on('close', ended);
  }

  async commit(): Promise<void> {
    await this.#ask(Buffer.from([2]));
  }

  async rollback(): Promise<void> {
    await this.#ask(Buffer.from([3]));
  }

  /** Runs a statement that defines something; it commits before and after. @throws OraError */
  async define(sql: string): Promise<void> {
    await this.#ask(Buffer.concat([Buffer.from([5]), text(sql)]));
  }

  /**
   * Runs a statement once, or once for each row of binds.
   * @param goesOn whether a row that is refused leaves the others be
   * @throws OraError
   */
  async execute(
    sql: string,
    binds: readonly BindType[] = [],
    rows: readonly (readonly EngineValue[])[] = [],
    goesOn = false,
  ): Promise<Outcome> {
    const head = Buffer.alloc(7);
    head.writeUInt16BE(binds.length, 0);
    head.writeInt32BE(rows.length, 2);
    head.writeUInt8(goesOn ? 1 : 0, 6);
    const values = rows.flatMap((row) => row.map(valueBytes));
    return outcomeOf(new Answer(await this.#ask(Buffer.concat([Buffer.from([1]), text(sql), head, ...values]))));
  }

  /** Rows of a query that has no binds, as texts. */
  async texts(sql: string): Promise<(string | null)[][]> {
    const outcome = await this.execute(sql);
    if (!('rows' in outcome)) return [];
    return outcome.rows.map((row) => row.map((value) => (value === null ? null : String(value.value))));
  }

  close(): void {
    this.#socket.destroy();
  }

  async #ask(request: Buffer): Promise<Buffer> {
    const answer = await new Promise<Buffer>((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(oraErrorOf('90121', 90121, 'the session has ended', 0));
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#socket.write(request);
    });
    if (answer[0] !== 9) return answer;
    const reader = new Answer(answer);
    reader.u8();
    const row = reader.i32();
    throw errorOf(reader, row);
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readUInt32BE(0);
      if (this.#received.length < end) return;
      this.#waiting.shift()?.resolve(this.#received.subarray(4, end));
      this.#received = this.#received.subarray(end);
    }
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int32(bytes.length), bytes]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function valueBytes(value: EngineValue): Buffer {
  if (value === null) return Buffer.from([0]);
  const tag = Buffer.from([tags[value.as]]);
  if (value.as === 'bytes') return Buffer.concat([tag, int32(value.value.length), value.value]);
  if (value.as !== 'double') return Buffer.concat([tag, text(value.value)]);
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value.value);
  return Buffer.concat([tag, bytes]);
}

/** Reads an answer of the bridge. */
class Answer {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  u16(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  i32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  double(): number {
    this.#at += 8;
    return this.#bytes.readDoubleBE(this.#at - 8);
  }

  bytes(): Buffer {
    const length = this.i32();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.bytes().toString();
  }
}

function outcomeOf(answer: Answer): Outcome {
  const kind = answer.u8();
  if (kind === 0) return { counts: [0], rowErrors: [] };
  if (kind === 2) {
    const counts = Array.from({ length: answer.i32() }, () => answer.i32());
    const rowErrors = Array.from({ length: answer.i32() }, () => {
      const offset = answer.i32();
      return { offset, error: errorOf(answer, offset) };
    });
    return { counts, rowErrors };
  }
  const columns = Array.from({ length: answer.u16() }, () => readColumn(answer));
  const rows = Array.from({ length: answer.i32() }, () => columns.map(() => readValue(answer)));
  return { columns, rows };
}

function errorOf(answer: Answer, row: number): OraError {
  return oraErrorOf(answer.text(), answer.i32(), answer.text(), row);
}

function readValue(answer: Answer): EngineValue {
  switch (answer.u8()) {
    case 0:
      return null;
    case tags.text:
      return { as: 'text', value: answer.text() };
    case tags.decimal:
      return { as: 'decimal', value: answer.text() };
    case tags.bytes:
      return { as: 'bytes', value: Buffer.from(answer.bytes()) };
    case tags.time:
      return { as: 'time', value: answer.text() };
    case tags['offset-time']:
      return { as: 'offset-time', value: answer.text() };
    case tags.double:
      return { as: 'double', value: answer.double() };
    default:
      throw new Error('a value of no known kind from the bridge');
  }
}

/** Numbers of java.sql.Types. */
const jdbc = {
  nothing: 0,
  char: 1,
  numeric: [2, 3],
  integers: [-6, 5, 4, -5],
  floats: [6, 7, 8],
  binary: [-2, -3],
  date: 91,
  timestamp: 93,
  blob: 2004,
  clob: 2005,
  timestampTz: 2014,
  varchar: 12,
} as const;

function readColumn(answer: Answer): ResultColumn {
  const name = answer.text();
  const type = answer.i32();
  const digits = answer.i32();
  const scale = answer.i32();
  const column = { name, nullable: answer.u8() !== 0, precision: 0, scale: 0, characters: 0 };
  const among = (types: readonly number[]): boolean => types.includes(type);
  if (among(jdbc.numeric) && digits <= 38)
    return { ...column, type: oraType.number, size: 22, precision: digits, scale };
  // A NUMBER without a precision; so is DECFLOAT.
  if (among(jdbc.numeric) || among(jdbc.integers)) return { ...column, type: oraType.number, size: 22, scale: -127 };
  if (among(jdbc.floats)) return { ...column, type: oraType.binaryDouble, size: 8 };
  if (among(jdbc.binary)) return { ...column, type: oraType.raw, size: Math.min(digits, 2000) };
  if (type === jdbc.date || (type === jdbc.timestamp && scale === 0)) return { ...column, type: oraType.date, size: 7 };
  if (type === jdbc.timestamp) return { ...column, type: oraType.timestamp, size: 11, scale };
  if (type === jdbc.timestampTz) return { ...column, type: oraType.timestampTz, size: 13, scale };
  if (type === jdbc.blob) return { ...column, type: oraType.blob, size: 4000 };
  if (type === jdbc.clob) return { ...column, type: oraType.clob, size: 4000 };
  const texts: readonly number[] = [jdbc.char, jdbc.varchar, jdbc.nothing];
  if (!texts.includes(type)) throw new Error(`a column ${name} of the JDBC type ${type}`);
  const characters = Math.min(Math.max(digits, 1), 4000);
  const textType = type === jdbc.char ? oraType.char : oraType.varchar;
  return { ...column, type: textType, size: Math.min(characters * 4, 32_767), characters };
}
