import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { retryUntilDone, type RetryOptions } from '../../ops/retry.ts';
import { databaseWords } from './dead-letter.ts';
import type { Dialect, FailureKind, PartitionName, Session } from './port.ts';
import { SessionPool } from './session-pool.ts';

/** Where something failed, as an error tells it. */
export type Place = Readonly<Record<string, string | number>>;

/** What is tried on a session. @param attempts how many have ended in an error before */
export type Attempt<T> = (session: Session, attempts: number) => Promise<T>;

/** What no repetition mends; described where more is known of it. */
export class Refusal extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, cause: unknown) {
    super(reasonOf(cause), { cause });
    this.kind = kind;
  }
}

const failures = {
  outage: ['DATABASE_DOWN', 'The database cannot be written now'],
  access: ['DATABASE_ACCESS', 'The database refuses the login'],
  structure: ['WRITE_REFUSED', 'The database refuses the statement'],
  data: ['ROW_REJECTED', 'The database does not take some row'],
  dependency: ['PARENT_MISSING', 'A row waits for another row'],
  unknown: ['WRITE_REFUSED', 'The database answers what nobody expected'],
} as const satisfies Record<FailureKind, readonly [string, string]>;

/** What ends by itself, wherever it comes from. */
export const outages: readonly FailureKind[] = ['outage', 'access'];
const passing: readonly FailureKind[] = [...outages, 'dependency'];

/** The sessions of a sink, on which things are tried until they are done, and the errors of its database in words. */
export class PatientSessions {
  readonly #dialect: Dialect;
  readonly #sink: string;
  readonly #sessions: SessionPool;

  constructor(dialect: Dialect, sink: string) {
    this.#dialect = dialect;
    this.#sink = sink;
    this.#sessions = new SessionPool(() => dialect.connect());
  }

  /** One attempt. @throws what the database or its driver throws */
  async once<T>(action: (session: Session) => Promise<T>): Promise<T> {
    return await this.#sessions.use(action);
  }

  /** Repeats an action while what will end by itself ends it. @throws Refusal */
  async persist<T>(
    { topic, partition }: PartitionName,
    retry: RetryOptions,
    action: Attempt<T>,
    waitsFor = passing,
  ): Promise<T> {
    return await retryUntilDone(async (attempts) => {
      try {
        return await this.#sessions.use((session) => action(session, attempts));
      } catch (error) {
        if (error instanceof AfterwriteError && error.recovery === 'retry') throw error;
        const kind = this.kindOf(error);
        if (!waitsFor.includes(kind)) throw new Refusal(kind, error);
        // A login that worked before may be refused while a password is rotated: that ends like an outage.
        throw this.describe(error, kind === 'access' ? 'outage' : kind, { sink: this.#sink, topic, partition });
      }
    }, retry);
  }

  /** Repeats an action as `persist` does, and describes what no repetition mends. */
  async patiently<T>(
    partition: PartitionName,
    retry: RetryOptions,
    action: (session: Session) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.persist(partition, retry, action);
    } catch (error) {
      throw this.described(error, placeOf(partition));
    }
  }

  kindOf(error: unknown): FailureKind {
    return error instanceof AfterwriteError && error.code !== 'SECRET_UNRESOLVED'
      ? 'unknown'
      : this.#dialect.classify(error);
  }

  /** A refusal in words; any other error as it is. */
  described(error: unknown, where: Place): unknown {
    return error instanceof Refusal ? this.describe(error.cause, error.kind, where) : error;
  }

  describe(cause: unknown, kind: FailureKind, where: Place): AfterwriteError {
    if (cause instanceof AfterwriteError && kind === 'unknown') return cause;
    const [code, what] = failures[kind];
    return new AfterwriteError(code, `${what}: ${databaseWords(cause)}`, { where, cause });
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }
}

export function placeOf({ topic, partition }: PartitionName): Place {
  return { topic, partition };
}
