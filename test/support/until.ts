import { setTimeout as wait } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';

export interface Patience {
  /** 30 s unless told. It is a limit for what never comes, not an expectation of speed. */
  readonly timeoutMs?: number;
  /** Pause between two looks: 20 ms unless told. */
  readonly everyMs?: number;
}

/**
 * Waits until a look gives something other than false, null or undefined, and returns it. A look that throws counts as
 * "not yet".
 *
 * @param what what is waited for, for the error
 * @throws Error that names it, and the last value or error seen, when the time is over
 */
export async function until<T>(
  what: string,
  look: () => Promise<T> | T,
  { timeoutMs = 30_000, everyMs = 20 }: Patience = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  let seen: unknown;
  do {
    try {
      const value = await look();
      if (isThere(value)) return value;
      seen = value;
    } catch (error) {
      seen = error;
    }
    await wait(everyMs);
  } while (performance.now() < deadline);
  throw new Error(`waited ${timeoutMs / 1000} s for: ${what}; last seen: ${inspect(seen, { depth: 4 })}`, {
    ...(seen instanceof Error && { cause: seen }),
  });
}

function isThere<T>(value: T): value is Exclude<T, false | null | undefined> {
  return value !== false && value !== null && value !== undefined;
}

/**
 * Waits until a look gives exactly this value; for counts and rows.
 *
 * @throws Error with the last value seen, when the time is over
 */
export async function untilEqual<T>(
  what: string,
  expected: T,
  look: () => Promise<T> | T,
  patience: Patience = {},
): Promise<void> {
  let seen: unknown = 'nothing yet';
  await until(
    `${what} = ${inspect(expected)}`,
    async () => {
      seen = await look();
      if (isDeepStrictEqual(seen, expected)) return true;
      throw new Error(inspect(seen, { depth: 4 }));
    },
    patience,
  );
}
