import { isIP } from 'node:net';
import tls from 'node:tls';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { addressOf, type RedisEndpoint } from './endpoint.ts';

/**
 * What tls.connect takes for an endpoint; undefined where it is reached without TLS. A host that is a name is named to
 * the server (SNI), as is `servername`, which the certificate has to carry instead of the host.
 * @throws AfterwriteError REDIS_TLS for parts that are no PEM, or do not belong together
 */
export function securedBy(endpoint: RedisEndpoint): tls.ConnectionOptions | undefined {
  if (endpoint.tls === undefined) return undefined;
  const { ca, cert, key, rejectUnauthorized, servername } = endpoint.tls;
  const name = servername ?? (isIP(endpoint.host) === 0 ? endpoint.host : undefined);
  return {
    secureContext: contextOf({ ca, cert, key }, endpoint),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    ...(name !== undefined && { servername: name }),
  };
}

function contextOf(parts: tls.SecureContextOptions, endpoint: RedisEndpoint): tls.SecureContext {
  try {
    return tls.createSecureContext(parts);
  } catch (cause) {
    const what = `source.tls cannot be used: ${reasonOf(cause)}`;
    const remedy =
      'Let ca, cert and key of source.tls (of source.sentinel.tls for a Sentinel) each be PEM, usually ${file:/path}, and key be the one of cert, without a passphrase.';
    throw new AfterwriteError('REDIS_TLS', what, { where: { redis: addressOf(endpoint) }, remedy, cause });
  }
}
