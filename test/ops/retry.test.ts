import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { retryUntilDone, type RetryWait } from '../../ops/retry.ts';

const outage = (): AfterwriteError => new AfterwriteError('REGISTRY_DOWN', 'The registry is down');
const fast = { firstWaitMs: 2, longestWaitMs: 8 };

test('an outage is tried again until it ends, with waits that grow to the longest', async () => {
  const waits: RetryWait[] = [];
  const seen: number[] = [];
  const options = { signal: new AbortController().signal, onWait: (wait: RetryWait) => waits.push(wait), ...fast };
  const result = await retryUntilDone((attempts) => {
    seen.push(attempts);
    return attempts < 6 ? Promise.reject(outage()) : Promise.resolve('done');
  }, options);
  assert.equal(result, 'done');
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(
    waits.map(({ attempts }) => attempts),
    [1, 2, 3, 4, 5, 6],
  );
  for (const [index, { waitMs }] of waits.entries()) {
    const full = Math.min(8, 2 * 2 ** index);
    assert.ok(waitMs >= full / 2 && waitMs <= full, `wait ${index} is ${waitMs} ms of ${full}`);
  }
});

test('an attempt that worked before it failed begins the waits anew', async () => {
  const counted: number[] = [];
  let worked = false;
  await retryUntilDone(
    () => {
      worked = counted.length === 3;
      return counted.length < 5 ? Promise.reject(outage()) : Promise.resolve();
    },
    {
      signal: new AbortController().signal,
      worked: () => worked,
      onWait: ({ attempts }) => counted.push(attempts),
      ...fast,
    },
  );
  assert.deepEqual(counted, [1, 2, 3, 1, 2]);
});

test('what only a person or a reload can mend is thrown at once', async () => {
  const { signal } = new AbortController();
  const attempt = (error: Error) => {
    let attempts = 0;
    const done = retryUntilDone(
      () => {
        attempts++;
        return Promise.reject(error);
      },
      { signal, ...fast },
    );
    return done.catch((thrown: unknown) => ({ thrown, attempts }));
  };
  const stop = new AfterwriteError('SCHEMA_INCOMPATIBLE', 'no');
  const bug = new TypeError('a bug');
  assert.deepEqual(await attempt(stop), { thrown: stop, attempts: 1 });
  assert.deepEqual(await attempt(bug), { thrown: bug, attempts: 1 });
});

test('an abort ends a wait and is thrown with its own reason', async () => {
  const controller = new AbortController();
  const reason = new Error('stopped by the user');
  const waiting = retryUntilDone(() => Promise.reject(outage()), {
    signal: controller.signal,
    firstWaitMs: 3_600_000,
    longestWaitMs: 3_600_000,
    onWait: () =>
      setImmediate(() => {
        controller.abort(reason);
      }),
  });
  await assert.rejects(waiting, (error) => error === reason);
  await assert.rejects(
    retryUntilDone(() => Promise.resolve(1), { signal: controller.signal }),
    (error) => error === reason,
  );
});
