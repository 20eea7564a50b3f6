/**
 * Does an action for each item, at most so many at once. After a failure no further one begins; those in flight are
 * waited for, and the first failure is thrown.
 */
export async function eachInFlight<T>(
  items: readonly T[],
  limit: number,
  action: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const work = async (): Promise<void> => {
    while (failure === undefined) {
      const item = items[next++];
      if (item === undefined) return;
      try {
        await action(item);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  // A closure sets it, which the compiler does not see.
  const failed = [failure].find((found) => found !== undefined);
  if (failed !== undefined) throw failed.error;
}
