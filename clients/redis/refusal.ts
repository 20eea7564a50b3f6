import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { addressOf, type RedisEndpoint } from './endpoint.ts';

/** What an error reply of a server is about, as far as it decides what happens next. */
export type Refusal = 'auth' | 'permission' | 'unknown-command' | 'unavailable' | 'other';

/**
 * Sorted by the first word of the reply, which is stable; the texts after ERR are those of Redis 2.8 to 8 and Valkey.
 * The first that matches holds.
 */
const refusals: readonly (readonly [Refusal, RegExp])[] = [
  ['auth', /^(WRONGPASS|NOAUTH|DENIED)\b|^ERR (invalid password|(Client sent )?AUTH\b)/],
  // In a script Redis 7.0 says it without a word of its own.
  ['permission', /^NOPERM\b|^EXECABORT .*\bNOPERM\b|^ERR operation not permitted|^ERR The user executing the script/i],
  ['unknown-command', /^ERR unknown (sub)?command|^ERR command.*(not allowed|not supported|disabled)/i],
  ['unavailable', /^(LOADING|MASTERDOWN|NOMASTERLINK|BUSY|TRYAGAIN|CLUSTERDOWN)\b|^ERR max number of clients/],
];

/** Sorts an error reply, given without its leading `-`. */
export function refusalOf(reply: string): Refusal {
  return refusals.find(([, pattern]) => pattern.test(reply))?.[0] ?? 'other';
}

/**
 * The error for a reply that says no. `doing` names the command; `denied` is the code where the user may not run it or
 * the server does not have it.
 */
export function refused(
  reply: string,
  doing: string,
  endpoint: RedisEndpoint,
  denied: 'REDIS_NO_PSYNC' | 'REDIS_NO_PERMISSION',
): AfterwriteError {
  const code = {
    auth: 'REDIS_AUTH',
    permission: denied,
    'unknown-command': denied,
    unavailable: 'REDIS_LOADING',
    other: 'REDIS_REFUSED',
  } as const;
  const where = { redis: addressOf(endpoint), user: endpoint.username };
  return new AfterwriteError(code[refusalOf(reply)], `${doing} was answered with "${reply}"`, { where });
}

/** Error codes of OpenSSL and of certificate checks, which no other layer raises. */
const tlsCode = /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO$)/;

/** The error for a connection that could not be made. */
export function unreachable(cause: unknown, endpoint: RedisEndpoint): AfterwriteError {
  if (cause instanceof AfterwriteError) return cause;
  const where = { redis: addressOf(endpoint) };
  return tlsRefusal(cause, endpoint) ?? new AfterwriteError('REDIS_UNREACHABLE', reasonOf(cause), { where, cause });
}

/**
 * The error for a connection that TLS ended; undefined where another layer did. A server that refuses a client's
 * certificate in TLS 1.3 says so after the handshake, in place of its first answer.
 */
export function tlsRefusal(cause: unknown, endpoint: RedisEndpoint): AfterwriteError | undefined {
  const code = codeOf(cause);
  if (code === undefined || !tlsCode.test(code)) return undefined;
  // What OpenSSL says comes with places in its source.
  const said =
    cause instanceof Error && 'reason' in cause && typeof cause.reason === 'string' ? cause.reason : undefined;
  return new AfterwriteError('REDIS_TLS', said ?? reasonOf(cause), { where: { redis: addressOf(endpoint) }, cause });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
