import pg from 'pg';
import type { z } from 'zod';
import { resolveSecrets, secretReference } from '../../../config/secrets.ts';
import type { DialectOptions } from '../port.ts';
import type { postgres } from './options.ts';

export type PostgresConfig = DialectOptions<z.output<typeof postgres>>;

/** How long a statement waits for a lock before the transaction is tried again, ms. */
const lockTimeout = 10_000;
/** After this long without a statement, the server ends a transaction whose worker is gone, ms. */
const idleInTransactionTimeout = 60_000;
/** A statement that takes longer than this, ms, has lost its server: the connection is given up. */
const queryTimeout = 300_000;

/** Opens a connection; references to secrets are resolved anew, so that a rotated password takes effect. */
export async function connect(config: PostgresConfig, sink: string): Promise<pg.Client> {
  const client = new pg.Client({
    ...(await endpoint(config)),
    application_name: `afterwrite ${sink}`,
    connectionTimeoutMillis: 10_000,
    query_timeout: queryTimeout,
    keepAlive: true,
  });
  // A connection that breaks while it is idle says so here only; the next statement on it fails and is tried again.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(
      `SET lock_timeout = ${lockTimeout}; SET idle_in_transaction_session_timeout = ${idleInTransactionTimeout}`,
    );
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

async function endpoint(config: PostgresConfig): Promise<pg.ClientConfig> {
  const ssl = config.ssl === undefined ? {} : { ssl: await resolveSecrets(tlsOptions(config.ssl)) };
  if (config.url !== undefined) return { connectionString: await resolveUrl(config.url), ...ssl };
  const { host, port, user, password, database } = await resolveSecrets({
    host: config.host,
    port: config.port,
    user: config.user,
    password: config.password,
    database: config.database,
  });
  return { host, port, user, password, database, ...ssl };
}

function tlsOptions(ssl: NonNullable<PostgresConfig['ssl']>) {
  return typeof ssl === 'boolean'
    ? ssl
    : Object.fromEntries(Object.entries(ssl).filter(([, part]) => part !== undefined));
}

/**
 * Puts secrets into a URL, percent-encoded: a password may hold any character. A reference that is the whole text holds
 * a whole URL and is taken as it is.
 */
async function resolveUrl(url: string): Promise<string> {
  if (url.replace(secretReference, '') === '') return await resolveSecrets(url);
  const secrets = await resolveSecrets(url.match(secretReference) ?? []);
  return url.replace(secretReference, () => encodeURIComponent(secrets.shift() ?? ''));
}
