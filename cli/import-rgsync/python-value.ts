/** What an expression of a script is known to be without running it. */
export type PythonValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'list'; readonly items: readonly PythonValue[] }
  | { readonly kind: 'dict'; readonly entries: readonly (readonly [PythonValue, PythonValue])[] }
  /** os.environ['NAME'], os.getenv('NAME'), or a function that returns it. */
  | { readonly kind: 'environment'; readonly name: string }
  | PythonCall
  /** Anything else: what stands there, so that a person can look. */
  | { readonly kind: 'unread'; readonly source: string; readonly line: number };

/** A call with its arguments, of which nothing was run. */
export interface PythonCall {
  readonly kind: 'call';
  /** The last part of the callee's name: `RGWriteBehind` of `rgsync.RGWriteBehind`, whatever it was imported as. */
  readonly callee: string;
  readonly positional: readonly PythonValue[];
  readonly keywords: ReadonlyMap<string, PythonValue>;
  readonly line: number;
}

/** Where a value was wanted, what stands there instead, for people; undefined when it is a value. */
export function unreadIn(value: PythonValue): string | undefined {
  if (value.kind === 'unread') return `${value.source} (line ${value.line})`;
  return value.kind === 'call' ? `${value.callee}(…) (line ${value.line})` : undefined;
}
