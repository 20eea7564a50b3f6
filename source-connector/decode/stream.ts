import { AfterwriteError } from '../../ops/errors/index.ts';
import { CommandArguments, NOTHING } from './command-arguments.ts';
import { CommandTable, type Row } from './command-table.ts';
import type { DecodedCommand } from './mutation.ts';
import type { CapturesKey, StreamDecoder } from './ports.ts';
import { RespParser } from './resp.ts';

/** Of a command that grows beyond this many bytes only what is looked at is collected. */
const COLLECT_MAX = 1024 * 1024;

export interface CommandDecoderOptions {
  readonly captures: CapturesKey;
  /** Names of commands, in any case, that are passed over where they would be unknown; captured keys in them are told. */
  readonly ignoreCommands: ReadonlySet<string>;
  /** The replication offset of the first byte that will be pushed. */
  readonly offset: number;
  /** The database that is selected there: a master does not send SELECT again after +CONTINUE. */
  readonly db: number;
  /** Whether the first byte stands between MULTI and EXEC; false unless told. */
  readonly inTransaction?: boolean;
}

/**
 * Turns a replication stream into the mutations of captured hashes. Pure: bytes in, commands out.
 * Errors: STREAM_CORRUPT, UNKNOWN_COMMAND, COMMAND_UNSUPPORTED, and RDB_CORRUPT, RDB_UNSUPPORTED for a RESTORE's
 * payload, all with the offset of the command; the decoder stays in front of it and throws again when asked again.
 */
export class CommandDecoder implements StreamDecoder {
  readonly #parser: RespParser;
  readonly #table: CommandTable;
  readonly #captures: CapturesKey;
  readonly #arguments: CommandArguments;
  #db: number;
  #inTransaction: boolean;
  readonly #decoded: { -readonly [Name in keyof DecodedCommand]: DecodedCommand[Name] } = {
    name: '',
    kind: 'write',
    start: 0,
    end: 0,
    db: 0,
    inTransaction: false,
    mutations: NOTHING,
  };

  constructor(options: CommandDecoderOptions) {
    this.#parser = new RespParser(options.offset);
    this.#table = new CommandTable(options.ignoreCommands);
    this.#captures = options.captures;
    this.#arguments = new CommandArguments(this.#parser, options.captures);
    this.#db = options.db;
    this.#inTransaction = options.inTransaction ?? false;
  }

  get offset(): number {
    return this.#parser.offset;
  }

  get db(): number {
    return this.#db;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  get buffered(): number {
    return this.#parser.held;
  }

  push(chunk: Buffer): void {
    this.#parser.push(chunk);
  }

  next(): DecodedCommand | undefined {
    const parser = this.#parser;
    while (parser.next()) {
      const matters = this.#decode();
      parser.consume();
      if (matters) return this.#decoded;
    }
    this.#dropWhatIsLarge();
    return undefined;
  }

  /** Applies the command in hand; true when it matters, as #decoded then tells. */
  #decode(): boolean {
    const row = this.#row();
    if (row.does === 'nothing') return false;
    const command = this.#arguments;
    command.name = row.name;
    command.db = this.#db;
    if (row.does === 'write') {
      if (row.oneKey && !command.captured(1)) return false;
      const mutations = row.interpret?.(command) ?? NOTHING;
      return mutations.length > 0 && this.#tell(row.name, 'write', this.#inTransaction, mutations);
    }
    if (row.does === 'select') {
      this.#db = command.database(1);
      return false;
    }
    if (row.does === 'replconf') {
      return command.is(1, 'GETACK') && this.#tell(row.name, 'getack', this.#inTransaction, NOTHING);
    }
    const begins = row.does === 'begin';
    if (begins === this.#inTransaction) {
      throw command.malformed(begins ? 'a transaction inside a transaction' : 'no transaction has begun');
    }
    this.#inTransaction = begins;
    return this.#tell(row.name, row.does, false, NOTHING);
  }

  #tell(
    name: string,
    kind: DecodedCommand['kind'],
    inTransaction: boolean,
    mutations: DecodedCommand['mutations'],
  ): boolean {
    const decoded = this.#decoded;
    decoded.name = name;
    decoded.kind = kind;
    decoded.start = this.#parser.offset;
    decoded.end = this.#parser.end;
    decoded.db = this.#db;
    decoded.inTransaction = inTransaction;
    decoded.mutations = mutations;
    return true;
  }

  #row(): Row {
    const { bytes, bounds } = this.#parser;
    const start = bounds[0] ?? 0;
    const end = bounds[1] ?? 0;
    const row = this.#table.find(bytes, start, end);
    if (row !== undefined) return row;
    const name = bytes.toString('latin1', start, Math.min(end, start + 64)).toUpperCase();
    throw new AfterwriteError('UNKNOWN_COMMAND', `${JSON.stringify(name)} is a command that is not known`, {
      where: { offset: this.offset, db: this.#db },
    });
  }

  /** Memory stays bounded where someone else's key is set to 512 MB: what does not matter is dropped as it comes. */
  #dropWhatIsLarge(): void {
    const parser = this.#parser;
    if (parser.held + parser.missing < COLLECT_MAX || parser.count === 0) return;
    const row = this.#row();
    const otherKey =
      row.oneKey && parser.count > 1 && !this.#captures(parser.bytes, parser.bounds[2] ?? 0, parser.bounds[3] ?? 0);
    if (row.does === 'nothing' || otherKey) parser.passOver();
    else if (row.ignores(parser.count)) parser.leaveOut();
  }
}
