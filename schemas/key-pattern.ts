import { AfterwriteError } from '../ops/errors/index.ts';
import { isCanonicalInteger } from './integer-text.ts';
import { isText } from './utf8.ts';

/** Types that a part of a key may have. */
export type KeyType = 'string' | 'int' | 'long';

/** Avro names and column names: what a placeholder may be called. */
const placeholder = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

interface Placeholder {
  readonly name: string;
  readonly type: KeyType;
  /** The literal bytes that follow the placeholder; empty only after the last one. */
  readonly literal: Buffer;
}

/**
 * Says what is wrong with the text of a key pattern, or nothing when it is right.
 *
 *   pattern := literal ( placeholder literal )* placeholder [ literal ]      placeholder := "{" name "}"
 *
 * The first literal is the prefix that selects keys, so it may not be empty. Braces in literals are allowed only as a
 * Redis Cluster hash tag around placeholders: `user:{{id}}:profile` reads keys such as `user:{42}:profile`.
 */
export function keyPatternProblem(pattern: string): string | undefined {
  const names = [...pattern.matchAll(placeholder)].map((match) => match[1] ?? '');
  const literals = pattern.replace(placeholder, '\0').split('\0');
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  const loose = pattern.replace(placeholder, '\0').replace(/\{[^{}]*\0[^{}]*\}/g, '');
  if (pattern.includes('\0')) return 'holds a zero byte';
  if (names.length === 0) return 'has no {placeholder}';
  if (literals[0] === '') return 'has no literal text before the first placeholder';
  if (literals.slice(1, -1).includes('')) return 'has two placeholders with nothing between them';
  if (twice !== undefined) return `names the placeholder {${twice}} twice`;
  if (/[{}]/.test(loose)) return 'has a brace that belongs to no placeholder; names are letters, digits and _';
  return undefined;
}

/** Which keys a mapping reads, and how a key's bytes are taken apart into the values of the key columns. */
export class KeyPattern {
  readonly text: string;
  /** Every key that fits begins with these bytes. */
  readonly prefix: Buffer;
  /** The key columns in the order of the pattern. */
  readonly columns: readonly { readonly name: string; readonly type: KeyType }[];
  readonly #placeholders: readonly Placeholder[];

  /** @throws MAPPING_INVALID when the text is no pattern or `types` names a placeholder that it has not. */
  constructor(text: string, types: Readonly<Record<string, KeyType>> = {}) {
    const problem = keyPatternProblem(text);
    if (problem !== undefined) throw new AfterwriteError('MAPPING_INVALID', `The key pattern ${text} ${problem}`);
    const names = [...text.matchAll(placeholder)].map((match) => match[1] ?? '');
    const stranger = Object.keys(types).find((name) => !names.includes(name));
    if (stranger !== undefined) {
      throw new AfterwriteError('MAPPING_INVALID', `The key pattern ${text} has no placeholder {${stranger}}`);
    }
    const literals = text.replace(placeholder, '\0').split('\0');
    this.text = text;
    this.prefix = Buffer.from(literals[0] ?? '');
    this.#placeholders = names.map((name, index) => ({
      name,
      type: types[name] ?? 'string',
      literal: Buffer.from(literals[index + 1] ?? ''),
    }));
    this.columns = this.#placeholders.map(({ name, type }) => ({ name, type }));
  }

  /**
   * Takes a key apart. A part ends at the first occurrence of the literal that follows it; the last part takes the rest
   * (before a closing literal, when the pattern has one), so `person:eu:42` under `person:{id}` is `eu:42`.
   *
   * A key fits only if rendering its parts, typed, gives its bytes again (rule 9): parts are valid UTF-8, an int or a
   * long is in range and written the one canonical way (`007`, `+7` and `-0` are not). No part may be empty: databases
   * disagree on whether an empty key column is NULL.
   * @returns views of the key, one a key column, or undefined when the key does not fit.
   */
  parse(key: Buffer): Buffer[] | undefined {
    const { prefix } = this;
    if (!standsAt(key, 0, prefix)) return undefined;
    const parts: Buffer[] = [];
    const last = this.#placeholders.length - 1;
    let start = prefix.length;
    for (const { type, literal } of this.#placeholders) {
      const end = parts.length === last ? closing(key, literal) : key.indexOf(literal, start);
      if (end <= start) return undefined;
      const part = key.subarray(start, end);
      if (!isCanonical(part, type)) return undefined;
      parts.push(part);
      start = end + literal.length;
    }
    return parts;
  }

  /** The key whose parts these are: the inverse of `parse`. */
  render(parts: readonly Buffer[]): Buffer {
    const pieces: Buffer[] = [this.prefix];
    for (const [index, { literal }] of this.#placeholders.entries())
      pieces.push(parts[index] ?? Buffer.alloc(0), literal);
    return Buffer.concat(pieces);
  }

  /** Whether some key may begin with both prefixes. Such patterns may not read the same database (rule 9). */
  overlaps(other: KeyPattern): boolean {
    const shared = Math.min(this.prefix.length, other.prefix.length);
    return this.prefix.compare(other.prefix, 0, shared, 0, shared) === 0;
  }
}

/** Where the closing literal begins at the end of the key; −1 when the key ends otherwise. */
function closing(key: Buffer, literal: Buffer): number {
  const at = key.length - literal.length;
  return at >= 0 && standsAt(key, at, literal) ? at : -1;
}

/** Whether a key has these bytes at this place. They are few: a loop is faster than a call into native code. */
function standsAt(key: Buffer, at: number, bytes: Buffer): boolean {
  if (key.length - at < bytes.length) return false;
  for (let i = 0; i < bytes.length; i++) if (key[at + i] !== bytes[i]) return false;
  return true;
}

function isCanonical(part: Buffer, type: KeyType): boolean {
  return type === 'string' ? isText(part) : isCanonicalInteger(part, type);
}
