import { logLevel, type logCreator } from 'kafkajs';

/** Where a client's own log lines go; a pino logger is one. */
export interface ClientLogger {
  debug(fields: object, message: string): void;
}

/**
 * kafkajs calls every answer that it then retries an error, hundreds of lines in an outage. What matters reaches the
 * caller as a rejected promise, so its lines are for debugging only, and those below a warning are not even made.
 */
export const kafkajsLogLevel = logLevel.WARN;

/** Sends the lines of kafkajs to a logger, at debug level. */
export function logTo(logger: ClientLogger | undefined): logCreator {
  return () =>
    ({ namespace, log }) => {
      const { message, ...fields } = log;
      logger?.debug({ namespace, ...fields }, message);
    };
}
