import type { z } from 'zod';
import { type Finding, type Path, didYouMean, shownValue } from './problem.ts';
import { configJsonSchema } from './schema.ts';

type Issue = z.core.$ZodIssue;

/** What a schema check found, in the words of this project. `raw` is the value that was checked. */
export function schemaFindings(issues: readonly Issue[], raw: unknown): Finding[] {
  return issues.flatMap(innermost).flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
    const value = valueAt(raw, path);
    if (issue.code === 'unrecognized_keys') return unknownKeys(path, issue.keys, raw);
    if (issue.code === 'invalid_key') return [wrongKey(path, issue)];
    if (value === undefined) return [{ path, wrong: 'is missing', allowed: allowedBy(issue) }];
    return [{ path, wrong: wrongValue(path, value, issue), allowed: allowedBy(issue) }];
  });
}

/** The issues of the one alternative that the value tries to be, where its type tells which; the issue itself otherwise. */
function innermost(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const meant = issue.errors.filter(
    (errors) => !errors.some((each) => each.code === 'invalid_type' && each.path.length === 0),
  );
  const [only] = meant;
  if (only === undefined || meant.length > 1) return [issue];
  return only.flatMap((each) => innermost({ ...each, path: [...issue.path, ...each.path] }));
}

function wrongValue(path: Path, value: unknown, issue: Issue): string {
  // Refinements judge an object as a whole; the object itself says nothing that the rule does not.
  return issue.code === 'custom' && isRecord(value)
    ? 'is incomplete or contradicts itself'
    : `is ${shownValue(path, value)}`;
}

function wrongKey(path: Path, issue: z.core.$ZodIssueInvalidKey): Finding {
  return { path, wrong: 'is no name', allowed: issue.issues.map((inner) => inner.message).join('; ') };
}

function unknownKeys(path: Path, keys: readonly string[], raw: unknown): Finding[] {
  const known = knownKeys(path, raw);
  return keys.map((key) => {
    const guess = didYouMean(key, known);
    const hint = guess === undefined ? '' : `did you mean ${guess}? `;
    return { path: [...path, key], wrong: 'is no option', allowed: `${hint}options here: ${known.join(', ')}` };
  });
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text (quote it where YAML would read a number or true)',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What would be allowed instead. Messages of patterns and unions are written as that phrase in the schema. */
function allowedBy(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeNames[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.map(String).join(', ');
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array' ? issue.message : `at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array' ? issue.message : `at most ${issue.maximum}`;
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String).join(', ') : issue.message;
    default:
      return issue.message;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path, or undefined. */
export function valueAt(raw: unknown, path: Path): unknown {
  let value = raw;
  for (const part of path) {
    if (Array.isArray(value)) value = typeof part === 'number' ? value[part] : undefined;
    else if (isRecord(value) && Object.hasOwn(value, part)) value = value[part];
    else return undefined;
  }
  return value;
}

/** The options that the JSON schema knows for the object at a path. */
function knownKeys(path: Path, raw: unknown): string[] {
  let nodes: unknown[] = [configJsonSchema()];
  let value = raw;
  for (const part of path) {
    nodes = nodes.flatMap((node) => branches(node, value)).flatMap((node) => child(node, part));
    value = valueAt(value, [part]);
  }
  const objects = nodes.flatMap((node) => branches(node, value));
  return [...new Set(objects.flatMap((node) => (isRecord(node.properties) ? Object.keys(node.properties) : [])))];
}

/** The alternatives of a schema, or itself; of alternatives told apart by `kind`, the one that the value names. */
function branches(node: unknown, value: unknown): Readonly<Record<string, unknown>>[] {
  if (!isRecord(node)) return [];
  const alternatives = node.anyOf ?? node.oneOf;
  if (!Array.isArray(alternatives)) return [node];
  const kind = valueAt(value, ['kind']);
  return alternatives.filter(isRecord).filter((each) => {
    const constant = valueAt(each, ['properties', 'kind', 'const']);
    return constant === undefined || constant === kind;
  });
}

function child(node: Readonly<Record<string, unknown>>, part: string | number): unknown[] {
  if (isRecord(node.properties) && Object.hasOwn(node.properties, part)) return [node.properties[part]];
  if (typeof part === 'number') return [node.items];
  return [node.additionalProperties];
}
