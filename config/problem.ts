/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Where, such as `mappings.person.fields.age`; empty for the file as a whole. */
  readonly path: string;
  /** Line in the file, from 1, where it is known. */
  readonly line: number | undefined;
  /** What is wrong, with the value where it may be shown. */
  readonly wrong: string;
  /** What is allowed there. */
  readonly allowed: string;
}

/** A problem's place before it has a line: keys and indexes from the top. */
export type Path = readonly (string | number)[];

/** A problem as the checks find it. */
export interface Finding {
  readonly path: Path;
  readonly wrong: string;
  readonly allowed: string;
}

/** `mappings.person.fields["first name"][2]` */
export function pathText(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w.-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

const secretName = /pass|secret|token|credential|^key$|^cert$|^ca$/i;

/**
 * A value as a message may show it. Secrets never are: neither what stands at a path that is named like one, nor what
 * stands before the `@` of a URL.
 */
export function shownValue(path: Path, value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (value === null || value === undefined) return 'nothing';
  if (path.some((part) => typeof part === 'string' && secretName.test(part)) && !isMappingKey(path)) {
    return 'the value (not shown)';
  }
  const text = typeof value === 'string' ? JSON.stringify(value) : printed(value);
  return text.replace(/^("?(?:[\w+.-]+:\/\/)?).*@/s, '$1***@');
}

function printed(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    ? String(value)
    : typeof value;
}

/** The key pattern of a mapping is named `key` but is no secret; the columns of a mapping may have any name. */
function isMappingKey(path: Path): boolean {
  return path[0] === 'mappings';
}

/** The candidate that was probably meant: at most a third of its letters away, or undefined. */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least && distance <= Math.max(1, Math.ceil(candidate.length / 3))) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

/** Levenshtein distance: how many letters must be added, taken away or changed. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
