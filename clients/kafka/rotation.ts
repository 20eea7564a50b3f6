import { AfterwriteError, reasonOf, type ErrorCode } from '../../ops/errors/index.ts';

const refusals: readonly ErrorCode[] = ['KAFKA_AUTH', 'KAFKA_TLS', 'SECRET_UNRESOLVED'];

/**
 * A login that Kafka took before and refuses now: secrets are being rotated, and that ends like any outage.
 * @returns an error that is tried again; every other error as it is.
 */
export function asOutage(error: unknown): unknown {
  if (!(error instanceof AfterwriteError) || !refusals.includes(error.code)) return error;
  const what = `Kafka refuses the login that it took before: ${reasonOf(error)}`;
  return new AfterwriteError('KAFKA_DOWN', what, { where: error.where, cause: error });
}
