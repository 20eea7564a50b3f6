import { AfterwriteError, type ErrorCode } from '../../../ops/errors/index.ts';
import type { FailureKind } from '../port.ts';

/** What the client's errors mean here. */
const byCode: { readonly [K in ErrorCode]?: FailureKind } = {
  REDIS_UNREACHABLE: 'outage',
  REDIS_LINK_LOST: 'outage',
  REDIS_LOADING: 'outage',
  REDIS_AUTH: 'access',
  REDIS_TLS: 'access',
  REDIS_NO_PERMISSION: 'structure',
};

/** What a server that is asked for something else than it does now says, by the first word of its reply. */
const passing = /"(OOM|READONLY|MISCONF|NOREPLICAS|MOVED|ASK|TRYAGAIN|CLUSTERDOWN|UNBLOCKED|NOSCRIPT)\b/;
const wrongType = /"(WRONGTYPE\b|ERR .*WRONGTYPE\b)/;

/** An error of the server or of the client, of which the writer decides. */
export class StreamError extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StreamError';
    this.kind = kind;
  }
}

/** The error of a command as this folder tells it; what is no error of Redis, as it is. */
export function told(error: unknown): unknown {
  if (!(error instanceof AfterwriteError)) return error;
  const { code, what, where } = error;
  const kind = byCode[code] ?? (code === 'REDIS_REFUSED' ? kindOfReply(what) : undefined);
  if (kind === undefined) return error;
  const user = where['user'];
  const login = kind === 'access' && user !== undefined ? ` (user ${String(user)})` : '';
  return new StreamError(kind, `${what}${login}`, error);
}

function kindOfReply(what: string): FailureKind {
  if (passing.test(what)) return 'outage';
  return wrongType.test(what) ? 'structure' : 'unknown';
}

/** The one place that decides what an error of Redis means. */
export function classifyStreamError(error: unknown): FailureKind {
  if (error instanceof AfterwriteError && error.code === 'SECRET_UNRESOLVED') return 'access';
  const named = told(error);
  return named instanceof StreamError ? named.kind : 'unknown';
}
