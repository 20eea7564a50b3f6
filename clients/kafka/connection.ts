import { Kafka, type Admin, type KafkaConfig, type RetryOptions, type SASLOptions } from 'kafkajs';
import { kafkaError } from './errors.ts';
import { kafkajsLogLevel, logTo, type ClientLogger } from './logging.ts';

export interface KafkaTls {
  /** PEM texts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** How to reach a cluster, with all secrets resolved. */
export interface KafkaConnection {
  /** host:port of the brokers to begin with. */
  readonly brokers: readonly string[];
  readonly clientId?: string | undefined;
  readonly ssl?: boolean | KafkaTls | undefined;
  readonly sasl?: KafkaSasl | undefined;
}

/** Gives the connection with its secrets read anew, so that a rotated one is picked up. */
export type ResolveKafkaConnection = () => Promise<KafkaConnection>;

export interface KafkaClientOptions {
  readonly resolve: ResolveKafkaConnection;
  readonly logger?: ClientLogger | undefined;
}

/**
 * Short: what outlasts this is an outage, and the caller's loop waits for its end with fresh secrets.
 */
const defaultRetry: RetryOptions = { initialRetryTime: 50, multiplier: 2, maxRetryTime: 500, retries: 4 };

/**
 * A client of kafkajs with the secrets of this moment; it connects when a producer, consumer or admin of it does. Secrets
 * are resolved here and again whenever it logs in to a broker.
 * @throws SECRET_UNRESOLVED, from `resolve`
 */
export async function connectKafka({ resolve, logger }: KafkaClientOptions, retry = defaultRetry): Promise<Kafka> {
  const { brokers, clientId, ssl, sasl } = await resolve();
  const config: KafkaConfig = {
    brokers: [...brokers],
    clientId: clientId ?? 'afterwrite',
    connectionTimeout: 5_000,
    requestTimeout: 30_000,
    retry,
    logLevel: kafkajsLogLevel,
    logCreator: logTo(logger),
  };
  if (ssl !== undefined) config.ssl = typeof ssl === 'boolean' ? ssl : { ...ssl };
  if (sasl !== undefined) config.sasl = rotatingSasl(sasl, resolve);
  return new Kafka(config);
}

/** Connects an admin, has the work done, and disconnects it. @throws KAFKA_DOWN, KAFKA_AUTH …, and what `work` throws */
export async function withAdmin<T>(client: KafkaClientOptions, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = (await connectKafka(client)).admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    throw kafkaError(error, 'Kafka could not be asked');
  } finally {
    // What it was for is done, or has failed for a better reason.
    await admin.disconnect().catch(() => undefined);
  }
}

/**
 * kafkajs keeps the login that it was made with, and puts the provider of the mechanism on the same object when it first
 * logs in. Standing in between, each login reads the secrets anew: a connection that breaks after a rotation comes back.
 */
function rotatingSasl(sasl: KafkaSasl, resolve: ResolveKafkaConnection): SASLOptions {
  const login = { ...sasl };
  let provider: AuthenticationProvider | undefined;
  Object.defineProperty(login, 'authenticationProvider', {
    enumerable: true,
    get: () => provider,
    set(builtIn: AuthenticationProvider) {
      provider = (broker) => ({
        authenticate: async () => {
          const fresh = (await resolve()).sasl;
          if (fresh !== undefined) Object.assign(login, { username: fresh.username, password: fresh.password });
          await builtIn(broker).authenticate();
        },
      });
    },
  });
  return login;
}

type AuthenticationProvider = (broker: unknown) => { authenticate(): Promise<void> };
