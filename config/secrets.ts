import { readFileSync } from 'node:fs';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';

const reference = /\$\{(env|file):([^}]*)\}/g;

/**
 * Replaces `${env:NAME}` and `${file:/path}` in every text of a value, however deep. References are read anew at each
 * call, so that a rotated secret is picked up by the next connection attempt. What a reference holds is taken as it
 * is: it is not searched for references. The newlines at the end of a file are not part of the secret. Between the `://`
and the `@` of a URL it is percent-encoded, so that a password may hold any character.
 * @throws SECRET_UNRESOLVED, naming the reference and never its content.
 */
export function resolveSecrets<T>(value: T): T;
export function resolveSecrets(value: unknown): unknown {
  if (typeof value === 'string') return resolveText(value);
  if (Array.isArray(value)) return value.map((item: unknown) => resolveSecrets(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolveSecrets<unknown>(item)]));
}

/** The references in a value, however deep, that point at nothing now: why, each once. */
export function unresolvedSecrets(value: unknown): string[] {
  if (typeof value === 'object' && value !== null) {
    return [...new Set(Object.values(value).flatMap((item: unknown) => unresolvedSecrets(item)))];
  }
  if (typeof value !== 'string') return [];
  return [...value.matchAll(reference)].flatMap(([text]) => {
    try {
      resolveText(text);
      return [];
    } catch (error) {
      return [error instanceof AfterwriteError ? error.what : reasonOf(error)];
    }
  });
}

function resolveText(text: string): string {
  const login = { start: text.indexOf('://'), end: text.lastIndexOf('@') };
  return text.replace(reference, (_, kind: string, name: string, at: number) => {
    const secret = kind === 'env' ? fromEnv(name) : fromFile(name);
    return login.start >= 0 && at > login.start && at < login.end ? encodeURIComponent(secret) : secret;
  });
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
    return readFileSync(path, 'utf8').replace(/[\r\n]+$/, '');
  } catch (cause) {
    throw new AfterwriteError('SECRET_UNRESOLVED', `The file ${path} cannot be read`, { cause });
  }
}
