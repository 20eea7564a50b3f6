import { AfterwriteError } from '../../ops/errors/index.ts';
import { FirstBytes } from '../bytes.ts';
import { PackedWriter } from '../packed-hash.ts';
import type { Mutation } from './mutation.ts';
import type { CapturesKey } from './ports.ts';
import type { RespParser } from './resp.ts';

/** Nothing happens to any captured hash. */
export const NOTHING: readonly Mutation[] = [];

/** How many arguments each option (in capitals) takes. */
export type OptionArguments = Readonly<Record<string, number>>;

const SHORT_KEY = 64;

type Reused<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * The command that the parser has found, as the rows of the command table look at it. One object serves all commands;
 * buffers are views into the parser's bytes.
 */
export class CommandArguments {
  readonly #parser: RespParser;
  readonly #captures: CapturesKey;
  readonly #fields = new PackedWriter();
  readonly #key = Buffer.alloc(SHORT_KEY);
  readonly #keyViews = new FirstBytes(this.#key);
  readonly #set: Reused<Extract<Mutation, { kind: 'set' }>> = {
    kind: 'set',
    db: 0,
    key: Buffer.alloc(0),
    fields: Buffer.alloc(0),
  };
  readonly #setOnly: readonly Mutation[] = [this.#set];

  /** The command's name in capitals. */
  name = '';
  /** The database selected before the command. */
  db = 0;

  constructor(parser: RespParser, captures: CapturesKey) {
    this.#parser = parser;
    this.#captures = captures;
  }

  /** How many arguments there are, the name included. */
  get count(): number {
    return this.#parser.count;
  }

  start(index: number): number {
    return this.#parser.bounds[index * 2] ?? 0;
  }

  end(index: number): number {
    return this.#parser.bounds[index * 2 + 1] ?? 0;
  }

  /** A view of an argument. */
  bytes(index: number): Buffer {
    this.need(index + 1);
    return this.#parser.bytes.subarray(this.start(index), this.end(index));
  }

  /** An argument as text for a message: at most 64 bytes of it. */
  text(index: number): string {
    return this.bytes(index).toString('latin1', 0, 64);
  }

  captured(index: number): boolean {
    this.need(index + 1);
    return this.#captures(this.#parser.bytes, this.start(index), this.end(index));
  }

  /** Whether an argument is this word (given in capitals) in any case. */
  is(index: number, word: string): boolean {
    const start = this.start(index);
    return index < this.count && equalsInAnyCase(this.#parser.bytes, start, this.end(index), word);
  }

  /** Where an option stands, looking from `first` on past the arguments of the other options. */
  optionAt(first: number, word: string, others: OptionArguments): number {
    for (let i = first; i < this.count; i++) {
      if (this.is(i, word)) return i;
      i += this.optionArguments(i, others);
    }
    throw this.malformed(`${word} is missing`);
  }

  /** How many arguments the option at `index` takes; 0 when it is not among `options`. */
  optionArguments(index: number, options: OptionArguments): number {
    for (const [word, taken] of Object.entries(options)) if (this.is(index, word)) return taken;
    return 0;
  }

  /** An argument that must be a decimal integer. */
  integer(index: number): number {
    const value = Number(this.bigint(index));
    if (!Number.isSafeInteger(value)) throw this.malformed(`argument ${index} is beyond 2^53`);
    return value;
  }

  bigint(index: number): bigint {
    const text = this.bytes(index).toString('latin1');
    if (!/^-?\d{1,19}$/.test(text)) throw this.malformed(`argument ${index} is not an integer`);
    return BigInt(text);
  }

  /** An argument that must be a database's number. */
  database(index: number): number {
    const db = this.integer(index);
    if (db < 0) throw this.malformed(`argument ${index} is not a database`);
    return db;
  }

  /** Checks that there are at least `count` arguments, the name included. */
  need(count: number): void {
    if (this.count < count) throw this.malformed(`${this.count - 1} arguments are too few`);
  }

  /** 'set' of the name/value pairs that stand in the arguments from `first` up to `end`. */
  setFields(first: number, end: number): readonly Mutation[] {
    if (end <= first || end > this.count || (end - first) % 2 !== 0) {
      throw this.malformed(`${this.count - 1} arguments do not make whole fields`);
    }
    const { bytes, bounds } = this.#parser;
    const fields = this.#fields.reset();
    fields.appendAll(bytes, bounds, first * 2, end * 2);
    this.#set.db = this.db;
    this.#set.key = this.#keyOf(bytes, bounds[2] ?? 0, bounds[3] ?? 0);
    this.#set.fields = fields.view();
    return this.#setOnly;
  }

  /** A short key is copied, which costs less than a view of its own. */
  #keyOf(bytes: Buffer, start: number, end: number): Buffer {
    const length = end - start;
    if (length > SHORT_KEY) return bytes.subarray(start, end);
    for (let i = 0; i < length; i++) this.#key[i] = bytes[start + i] ?? 0;
    return this.#keyViews.of(length);
  }

  /** 'remove' of those keys among the arguments `first`, `first + step` … that are captured. */
  removeKeys(first: number, end = this.count, step = 1): readonly Mutation[] {
    const removed: Mutation[] = [];
    for (let i = first; i < end; i += step) {
      if (this.captured(i)) removed.push({ kind: 'remove', db: this.db, key: this.bytes(i) });
    }
    return removed;
  }

  /** A writer for fields that are not set but replaced; its view is valid until the next command. */
  emptyFields(): PackedWriter {
    return this.#fields.reset();
  }

  /** The master would not have replicated this: the bytes are damaged, or the command grew a new form. */
  malformed(what: string): AfterwriteError {
    return new AfterwriteError('STREAM_CORRUPT', `${this.name}: ${what}`, { where: this.where() });
  }

  /** The command is known, but not in this form. */
  unsupported(what: string): AfterwriteError {
    return new AfterwriteError('COMMAND_UNSUPPORTED', `${this.name}: ${what}`, { where: this.where() });
  }

  where(): { offset: number; db: number } {
    return { offset: this.#parser.offset, db: this.db };
  }
}

/** Compares bytes with an ASCII word in capitals, without regard to case. */
export function equalsInAnyCase(bytes: Buffer, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (capital(bytes[start + i] ?? 0) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** The capital of an ASCII letter; other bytes as they are. */
export function capital(byte: number): number {
  return byte >= 97 && byte <= 122 ? byte - 32 : byte;
}
