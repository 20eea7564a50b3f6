import { readFileSync } from 'node:fs';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import { outputOf, withoutLineEnd, wordsOf } from './secret-command.ts';

/** A reference to a secret within a text. */
export const secretReference = /\$\{(env|file|command):([^}]*)\}/g;

/**
 * Replaces `${env:NAME}`, `${file:/path}` and `${command:program parameters}` in every text of a value, however deep.
 * References are read anew at each call, so that a rotated secret is picked up by the next connection attempt; calls at
 * one time share a run of a command. What a reference holds is taken as it is: it is not searched for references.
 * The newlines at the end of a file or an output are not part of the secret. Between the `://`
 * and the `@` of a URL it is percent-encoded, so that a password may hold any character.
 * @throws SECRET_UNRESOLVED, SECRET_COMMAND, naming the reference and never its content.
 */
export async function resolveSecrets<T>(value: T): Promise<T>;
export async function resolveSecrets(value: unknown): Promise<unknown> {
  const references = referencesIn(value);
  const secrets = await Promise.all(references.map(async (text) => [text, await secretOf(text)] as const));
  const bySecret = new Map(secrets);
  return replacedIn(value, (reference) => bySecret.get(reference) ?? '');
}

/**
 * The same, at once, of what is a place and no secret.
 * @throws SECRET_UNRESOLVED, also where a reference names a command
 */
export function resolvePlace(text: string): string {
  return replacedText(text, readAtOnce);
}

/** The references in a value, however deep, that point at nothing now: why, each once. No command is run. */
export function unresolvedSecrets(value: unknown): string[] {
  return referencesIn(value).flatMap((reference) => {
    try {
      const { kind, name } = partsOf(reference);
      if (kind === 'command') wordsOf(name);
      else readAtOnce(reference);
      return [];
    } catch (error) {
      return [error instanceof AfterwriteError ? error.what : reasonOf(error)];
    }
  });
}

/** Each once. */
function referencesIn(value: unknown): string[] {
  if (typeof value === 'string') return [...new Set(value.match(secretReference))];
  if (typeof value !== 'object' || value === null) return [];
  return [...new Set(Object.values(value).flatMap((item: unknown) => referencesIn(item)))];
}

function replacedIn(value: unknown, secret: (reference: string) => string): unknown {
  if (typeof value === 'string') return replacedText(value, secret);
  if (Array.isArray(value)) return value.map((item: unknown) => replacedIn(item, secret));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, replacedIn(item, secret)]));
}

function replacedText(text: string, secret: (reference: string) => string): string {
  const login = { start: text.indexOf('://'), end: text.lastIndexOf('@') };
  return text.replace(secretReference, (reference, _kind, _name, at: number) =>
    login.start >= 0 && at > login.start && at < login.end ? encodeURIComponent(secret(reference)) : secret(reference),
  );
}

async function secretOf(reference: string): Promise<string> {
  const { kind, name } = partsOf(reference);
  return kind === 'command' ? await outputOf(name) : readAtOnce(reference);
}

function readAtOnce(reference: string): string {
  const { kind, name } = partsOf(reference);
  switch (kind) {
    case 'env':
      return fromEnv(name);
    case 'file':
      return fromFile(name);
    default:
      throw new AfterwriteError('SECRET_UNRESOLVED', `${reference} stands where no secret does, and is not run`);
  }
}

function partsOf(reference: string): { readonly kind: string; readonly name: string } {
  const [, kind = '', name = ''] = /^\$\{(\w+):(.*)\}$/s.exec(reference) ?? [];
  return { kind, name };
}

function fromEnv(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new AfterwriteError('SECRET_UNRESOLVED', `The environment variable ${name} is not set`);
  }
  return value;
}

function fromFile(path: string): string {
  try {
    return withoutLineEnd(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new AfterwriteError('SECRET_UNRESOLVED', `The file ${path} cannot be read`, { cause });
  }
}
