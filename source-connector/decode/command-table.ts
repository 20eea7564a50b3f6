import { capital, equalsInAnyCase } from './command-arguments.ts';
import { type Interpret, interpretIgnored, WRITE_ROWS, type WriteRow } from './commands.ts';
import { HARMLESS_COMMANDS } from './harmless-commands.ts';

/** What the stream decoder does with a command. */
export interface Row {
  /** In capitals. */
  readonly name: string;
  readonly does: 'write' | 'nothing' | 'select' | 'begin' | 'commit' | 'replconf';
  /** Whether argument 1 is the command's only key. */
  readonly oneKey: boolean;
  readonly interpret: Interpret | undefined;
  readonly ignores: WriteRow['ignores'];
}

const ignoresNothing: Row['ignores'] = () => false;

/** Finds a command's row by the bytes of its name, in any case, without making a string. */
export class CommandTable {
  readonly #rows = new Map<number, Row[]>();
  /** What was found last: streams are full of one command. */
  #last: Row | undefined;

  /** `ignored`: further names, in any case, whose commands are passed over where they name no captured key. */
  constructor(ignored: ReadonlySet<string>) {
    for (const { names, oneKey, interpret, ignores } of WRITE_ROWS) {
      for (const name of names) this.#add({ name, does: 'write', oneKey, interpret, ignores });
    }
    for (const name of HARMLESS_COMMANDS) this.#addPlain(name, 'nothing');
    this.#addPlain('SELECT', 'select');
    this.#addPlain('MULTI', 'begin');
    this.#addPlain('EXEC', 'commit');
    this.#addPlain('REPLCONF', 'replconf');
    for (const name of ignored) {
      this.#add({
        name: name.toUpperCase(),
        does: 'write',
        oneKey: false,
        interpret: interpretIgnored,
        ignores: ignoresNothing,
      });
    }
  }

  find(bytes: Buffer, start: number, end: number): Row | undefined {
    const last = this.#last;
    if (last !== undefined && equalsInAnyCase(bytes, start, end, last.name)) return last;
    const rows = this.#rows.get(hashOf(bytes, start, end));
    if (rows === undefined) return undefined;
    this.#last = rows.find(({ name }) => equalsInAnyCase(bytes, start, end, name));
    return this.#last;
  }

  #addPlain(name: string, does: Row['does']): void {
    this.#add({ name, does, oneKey: false, interpret: undefined, ignores: ignoresNothing });
  }

  /** Of rows with one name the first is found: what is known is never ignored. */
  #add(row: Row): void {
    const name = Buffer.from(row.name);
    const hash = hashOf(name, 0, name.length);
    this.#rows.set(hash, [...(this.#rows.get(hash) ?? []), row]);
  }
}

function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) hash = (hash * 31 + capital(bytes[i] ?? 0)) & 0x3fffffff;
  return hash;
}
