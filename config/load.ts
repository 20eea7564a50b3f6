import { readFile } from 'node:fs/promises';
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import { type Config, completeConfig } from './config.ts';
import { crossFindings, type SoundParts } from './cross-checks.ts';
import { type ConfigProblem, type Finding, type Path, pathText } from './problem.ts';
import { schemaFindings, valueAt } from './schema-findings.ts';
import { configSchema, type ParsedMapping, type ParsedSink, sink } from './schema.ts';
import { mapping } from './mapping.ts';

export type CheckedConfig =
  | { readonly config: Config; readonly problems?: never }
  | { readonly config?: never; readonly problems: readonly ConfigProblem[] };

/**
 * Reads, checks and completes a configuration file.
 * @throws CONFIG_UNREADABLE when the file cannot be read; CONFIG_INVALID with all of its problems.
 */
export async function loadConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new AfterwriteError('CONFIG_UNREADABLE', `The configuration file ${path} cannot be read`, { cause });
  }
  const { config, problems } = checkConfig(text);
  if (config !== undefined) return config;
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  const list = problems.map((problem) => `\n  - ${problemText(problem)}`).join('');
  throw new AfterwriteError('CONFIG_INVALID', `${path} has ${count}:${list}\n`);
}

/** One line for people: where, what is wrong, what is allowed. */
function problemText({ path, line, wrong, allowed }: ConfigProblem): string {
  const place = [path, line === undefined ? '' : `line ${line}`].filter((part) => part !== '').join(', ');
  return `${place}: ${wrong}; allowed: ${allowed}`;
}

/** Checks the text of a configuration file: the complete configuration, or all of its problems. */
export function checkConfig(text: string): CheckedConfig {
  const lines = new LineCounter();
  // Pretty errors would quote the lines around an error, and secrets with them.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return { problems: document.errors.map(({ message, pos }) => syntaxProblem(message, lines.linePos(pos[0]).line)) };
  }
  let raw: unknown;
  try {
    raw = document.toJS();
  } catch (error) {
    // Aliases without an anchor, or so many that they would fill the memory.
    return { problems: [syntaxProblem(reasonOf(error), 1)] };
  }
  const parsed = configSchema.safeParse(raw);
  const findings = [
    ...(parsed.success ? [] : schemaFindings(parsed.error.issues, raw)),
    ...crossFindings(soundParts(raw)),
  ];
  if (parsed.success && findings.length === 0) return { config: completeConfig(parsed.data) };
  return { problems: findings.map((finding) => located(finding, document, lines)) };
}

function syntaxProblem(message: string, line: number): ConfigProblem {
  // What follows a colon quotes the file, and that may be a password.
  const [reason = ''] = message.split(':');
  return { path: '', line, wrong: `is no YAML: ${reason}`, allowed: 'YAML; quote a text that holds { } [ ] or ": "' };
}

function located({ path, wrong, allowed }: Finding, document: Document.Parsed, lines: LineCounter): ConfigProblem {
  const offset = offsetOf(document, path);
  const line = offset === undefined ? undefined : lines.linePos(offset).line;
  return { path: pathText(path), line, wrong, allowed };
}

/** Where the key at a path begins, or the nearest key above it that the file has. */
function offsetOf(document: Document.Parsed, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (!isPair(pair) || !isScalar(pair.key)) return offset;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part];
      if (isScalar(node)) offset = node.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}

/** The parts that are right by themselves, for the checks between them. */
function soundParts(raw: unknown): SoundParts {
  const mappings: Record<string, ParsedMapping> = {};
  const sinks: Record<string, ParsedSink> = {};
  for (const [name, value] of entriesAt(raw, 'mappings')) {
    const parsed = mapping.safeParse(value);
    if (parsed.success) mappings[name] = parsed.data;
  }
  for (const [name, value] of entriesAt(raw, 'sinks')) {
    const parsed = sink.safeParse(value);
    if (parsed.success) sinks[name] = parsed.data;
  }
  const pipeline = configSchema.shape.pipeline.safeParse(valueAt(raw, ['pipeline'])).data;
  const mode = configSchema.shape.source.safeParse(valueAt(raw, ['source'])).data?.mode;
  const namesIn = (section: string): string[] => entriesAt(raw, section).map(([name]) => name);
  const isCluster = valueAt(raw, ['source', 'nodes']) !== undefined;
  return { pipeline, mode, isCluster, mappingNames: namesIn('mappings'), sinkNames: namesIn('sinks'), mappings, sinks };
}

function entriesAt(raw: unknown, section: string): [string, unknown][] {
  const value = valueAt(raw, [section]);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}
