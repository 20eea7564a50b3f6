import type { Broker } from 'kafkajs';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { readFetchAnswer, type FetchAnswer } from './fetched.ts';

type FetchRequest = Parameters<Broker['fetch']>[0];

/** What kafkajs gives its connections to send: how to write a request, and how to read its answer. */
interface ProtocolRequest {
  readonly request: { readonly apiVersion: number };
  readonly response: { readonly parse: (decoded: unknown) => unknown };
}

interface ConnectionPool {
  readonly send: (request: unknown) => Promise<unknown>;
}

/**
 * Fetches with kafkajs's request, connection and errors, but reads the answer's bytes itself: kafkajs makes several
 * objects of each record, which costs ten times as much, and does not tell the bounds of a batch without records.
 *
 * A broker of kafkajs hands each request to its `connectionPool`, together with the reader of the answer. It is asked
 * through a view of it whose pool puts another reader in that place.
 */
export async function fetchBytes(broker: Broker, request: FetchRequest): Promise<FetchAnswer> {
  const pool: unknown = Reflect.get(broker, 'connectionPool');
  if (!isPool(pool)) throw unknownKafkajs();
  let answer: FetchAnswer | undefined;
  const send = (sent: unknown): Promise<unknown> => {
    if (!isProtocolRequest(sent)) throw unknownKafkajs();
    const decode = (payload: Buffer) => {
      answer = readFetchAnswer(payload, sent.request.apiVersion);
      return forKafkajs(answer);
    };
    // Its own `parse` makes errors of the codes in the answer.
    return pool.send({ ...sent, response: { decode, parse: sent.response.parse } });
  };
  await withProperty(broker, 'connectionPool', withProperty(pool, 'send', send)).fetch(request);
  if (answer === undefined) throw unknownKafkajs();
  return answer;
}

/** What kafkajs looks at in an answer. */
function forKafkajs({ throttleMs, partitions }: FetchAnswer): object {
  return {
    throttleTime: 0,
    clientSideThrottleTime: throttleMs,
    responses: partitions.map(({ topicName, partition, errorCode }) => ({
      topicName,
      partitions: [{ partition, errorCode }],
    })),
  };
}

/** The same object, but for one property. */
function withProperty<T extends object>(target: T, property: string, value: unknown): T {
  return new Proxy(target, {
    get: (_, name): unknown => (name === property ? value : Reflect.get(target, name)),
  });
}

function isPool(value: unknown): value is ConnectionPool {
  return typeof value === 'object' && value !== null && 'send' in value && typeof value.send === 'function';
}

function isProtocolRequest(value: unknown): value is ProtocolRequest {
  if (typeof value !== 'object' || value === null || !('request' in value) || !('response' in value)) return false;
  const { request, response } = value;
  return (
    typeof request === 'object' &&
    request !== null &&
    'apiVersion' in request &&
    typeof request.apiVersion === 'number' &&
    typeof response === 'object' &&
    response !== null &&
    'parse' in response &&
    typeof response.parse === 'function'
  );
}

function unknownKafkajs(): AfterwriteError {
  return new AfterwriteError('INTERNAL', 'This version of kafkajs is built in a way that is not known');
}
