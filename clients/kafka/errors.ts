import { AfterwriteError, type ErrorCode, type Where } from '../../ops/errors/index.ts';

/** What of an error of kafkajs tells the kinds apart. Its classes are not: it wraps them in others. */
interface Facts {
  readonly name: string;
  /** Kafka's own name of an error that a broker answered, such as INVALID_PRODUCER_EPOCH. */
  readonly type: string;
  /** Of Node's sockets and TLS, such as ECONNREFUSED. */
  readonly code: string;
  readonly message: string;
  readonly retriable: boolean;
}

type Rule = readonly [ErrorCode, (facts: Facts) => boolean];

/** Kafka's error 90, which kafkajs has no name for. */
const producerFenced = 'Unknown error code 90';

const rules: readonly Rule[] = [
  ['KAFKA_AUTH', ({ name, type }) => name === 'KafkaJSSASLAuthenticationError' || /SASL|SECURITY_DISABLED/.test(type)],
  ['KAFKA_FORBIDDEN', ({ type }) => type.endsWith('_AUTHORIZATION_FAILED')],
  ['KAFKA_TLS', ({ code }) => /CERT|TLS|SSL|EPROTO|VERIFY|SIGNATURE/.test(code)],
  ['PRODUCER_FENCED', isFence],
  ['RECORD_TOO_LARGE', ({ type }) => type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE'],
  ['OFFSET_OUT_OF_RANGE', ({ type }) => type === 'OFFSET_OUT_OF_RANGE'],
  ['TOPIC_MISSING', ({ type }) => type === 'UNKNOWN_TOPIC_OR_PARTITION'],
  [
    'KAFKA_DOWN',
    ({ name }) => /Connection|RequestTimeout|BrokerNotFound|NoBroker|Coordinator|Metadata|LockTimeout/.test(name),
  ],
  ['KAFKA_DOWN', ({ retriable }) => retriable],
  // The admin of kafkajs swallows what every broker answered, and then trips over the answer that it does not have.
  ['KAFKA_DOWN', ({ name, message }) => name === 'TypeError' && /of null \(reading|as it is null/.test(message)],
  ['INTERNAL', ({ name }) => /^(Type|Reference|Range|Syntax)Error$/.test(name)],
];

/**
 * The error of this project for anything that kafkajs threw. One of this project, such as a secret that could not be read
 * during a login, comes through as it is.
 * @param what what could not be done, as a sentence without its full stop.
 */
export function kafkaError(error: unknown, what: string, where: Where = {}): AfterwriteError {
  const own = causesOf(error).find((cause) => cause instanceof AfterwriteError);
  if (own !== undefined) return own;
  const all = factsOf(error);
  const found = rules.find(([, matches]) => all.some(matches));
  return describe(found?.[0] ?? 'KAFKA_REFUSED', all, error, what, where);
}

/**
 * The same inside a transaction. There, nearly every error means the same to the caller: what became of the
 * transaction is open, and only the committed position tells.
 */
export function transactionError(error: unknown, what: string, where: Where = {}): AfterwriteError {
  if (error instanceof AfterwriteError) return error;
  const all = factsOf(error);
  const code = all.some(isFence) ? 'PRODUCER_FENCED' : 'KAFKA_TRANSACTION';
  // A record that Kafka never takes would be sent again for ever.
  const tooLarge = rules.some(([rule, matches]) => rule === 'RECORD_TOO_LARGE' && all.some(matches));
  return describe(tooLarge ? 'RECORD_TOO_LARGE' : code, all, error, what, where);
}

function isFence({ type, message }: Facts): boolean {
  return (
    type === 'INVALID_PRODUCER_EPOCH' || type === 'TRANSACTION_COORDINATOR_FENCED' || message.includes(producerFenced)
  );
}

function describe(code: ErrorCode, all: readonly Facts[], cause: unknown, what: string, where: Where): AfterwriteError {
  const reason = all.at(-1)?.message ?? String(cause);
  return new AfterwriteError(code, `${what}: ${reason.replace(/\.$/, '')}`, { where, cause });
}

function factsOf(error: unknown): Facts[] {
  return causesOf(error).map((cause) => ({
    name: cause.name,
    type: textOf(cause, 'type'),
    code: textOf(cause, 'code'),
    message: cause.message === '' ? cause.name : cause.message,
    retriable: 'retriable' in cause && cause.retriable === true,
  }));
}

/** An error, its causes, and the errors that it sums up; the innermost last. */
function causesOf(error: unknown): Error[] {
  const all: Error[] = [];
  const waiting: unknown[] = [error];
  while (waiting.length > 0) {
    const next = waiting.shift();
    if (!(next instanceof Error)) continue;
    all.push(next);
    if ('errors' in next && Array.isArray(next.errors)) waiting.push(...next.errors.map((item: unknown) => item));
    if (next.cause !== undefined) waiting.push(next.cause);
  }
  return all;
}

function textOf(error: object, name: string): string {
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : '';
}
