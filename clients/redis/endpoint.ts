import { AfterwriteError } from '../../ops/errors/index.ts';

/** The part of a TLS set-up that users configure; PEM texts, as node:tls takes them. */
export interface RedisTls {
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** The name that the certificate must carry, where it is not the host. */
  readonly servername?: string | undefined;
  /** False accepts any certificate. */
  readonly rejectUnauthorized?: boolean | undefined;
}

/** One Redis server and who asks. */
export interface RedisEndpoint {
  readonly host: string;
  readonly port: number;
  /** Without it, AUTH is sent in its older form, for the user `default`. */
  readonly username?: string | undefined;
  /** Without it, no AUTH is sent. */
  readonly password?: string | undefined;
  readonly tls?: RedisTls | undefined;
}

/** Called anew at each connection attempt, so that a rotated secret or a moved server takes effect. */
export type ResolveEndpoint = () => Promise<RedisEndpoint>;

/** How users name a server: a URL, or its parts. All references to secrets are resolved. */
export interface RedisAddress {
  /** `redis://[user[:password]@]host[:port]`; `rediss://` for TLS. */
  readonly url?: string | undefined;
  readonly host?: string | undefined;
  /** 6379 by default. */
  readonly port?: number | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** True trusts the authorities of this machine. */
  readonly tls?: boolean | RedisTls | undefined;
}

/**
 * The endpoint that an address names. What stands beside a URL wins over the URL's own part.
 * @throws AfterwriteError CONFIG_INVALID for a URL that names no Redis server, or asks for TLS that `tls` forbids; the
 *   URL, which can hold a password, is not repeated
 */
export function endpointOf(address: RedisAddress): RedisEndpoint {
  const url = address.url === undefined ? undefined : partsOf(address.url);
  const host = address.host ?? url?.host;
  if (host === undefined) throw new AfterwriteError('CONFIG_INVALID', 'the source has neither url nor host');
  // The configuration's check does not see what a reference to a URL holds.
  if (address.tls === false && url?.secured === true) {
    throw new AfterwriteError('CONFIG_INVALID', 'the URL of the source is rediss://, and source.tls is false');
  }
  const tls = address.tls ?? url?.secured ?? false;
  return {
    host,
    port: address.port ?? url?.port ?? 6379,
    username: address.username ?? url?.username,
    password: address.password ?? url?.password,
    tls: typeof tls === 'object' ? tls : tls ? {} : undefined,
  };
}

interface UrlParts {
  readonly host: string;
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly secured: boolean;
}

function partsOf(text: string): UrlParts {
  try {
    const url = new URL(text);
    if (!/^rediss?:$/.test(url.protocol) || url.hostname === '') throw new TypeError('another scheme, or no host');
    const given = (part: string): string | undefined => (part === '' ? undefined : decodeURIComponent(part));
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? undefined : Number(url.port),
      username: given(url.username),
      password: given(url.password),
      secured: url.protocol === 'rediss:',
    };
  } catch {
    // The cause would show the URL.
    throw new AfterwriteError('CONFIG_INVALID', 'the URL of the source is not redis://[user[:password]@]host[:port]');
  }
}

/** The server's name for people and for the coordinates of errors: `host:port`, never a credential. */
export function addressOf(endpoint: RedisEndpoint): string {
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
}

/** The arguments of AUTH, or undefined where no password is configured. */
export function credentialsOf(endpoint: RedisEndpoint): readonly string[] | undefined {
  if (endpoint.password === undefined) return undefined;
  return endpoint.username === undefined ? [endpoint.password] : [endpoint.username, endpoint.password];
}
