import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { runParts, type Part } from '../../cli/process.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { startHttpServer } from '../../ops/http.ts';
import { createMetrics } from '../../ops/metrics.ts';
import { freePort } from '../../services/ports.ts';
import { until } from '../support/until.ts';

/** A part that works until it is stopped, or until a test lets it fail. */
class Work implements Part {
  readonly #name: string;
  readonly #running: Promise<void>;
  #failure: Error | undefined;
  began = false;
  fail: (error: Error) => void = () => undefined;
  #end: () => void = () => undefined;

  constructor(name: string) {
    this.#name = name;
    this.#running = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.fail = (error) => {
        this.#failure = error;
        reject(error);
      };
    });
  }

  run(): Promise<void> {
    this.began = true;
    return this.#running;
  }

  stop(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  health() {
    const reason = this.#failure?.message;
    return { [this.#name]: { ok: reason === undefined, ...(reason === undefined ? {} : { reason }) } };
  }

  ready() {
    return { [this.#name]: { ok: true } };
  }
}

const log = pino({ level: 'silent' });

/** What the process prints for people while a test runs. */
function printedBy(t: TestContext): string[] {
  const printed: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => printed.push(text) > 0);
  return printed;
}

test('a signal stops all parts, and the exit code is 0', async () => {
  const parts = [new Work('one'), new Work('two')];
  const ended = runParts(parts, { host: '127.0.0.1', port: 0 }, createMetrics(), log);
  await until('both parts run', () => parts.every(({ began }) => began));
  process.emit('SIGINT');
  assert.equal(await ended, 0);
});

test('a part that needs a person leaves the others at work, makes the process unhealthy, and the exit code 1', async (t) => {
  const printed = printedBy(t);
  const [broken, whole] = [new Work('broken'), new Work('whole')];
  const port = await freePort();
  const ended = runParts([broken, whole], { host: '127.0.0.1', port }, createMetrics(), log);
  await until('it is healthy', async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok);
  broken.fail(new AfterwriteError('REDIS_AUTH', 'no', { where: { redis: 'r:1' }, cause: new Error('because') }));
  const answer = await until('it is unhealthy', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`);
    return response.status === 503 && response.json();
  });
  assert.match(JSON.stringify(answer), /"reasons":\["broken: REDIS_AUTH: no \(redis r:1\)/);
  assert.deepEqual(printed, []);
  process.emit('SIGTERM');
  assert.equal(await ended, 1);
  assert.match(printed.join(''), /^REDIS_AUTH: no \(redis r:1\)\. Check .*\nThe reason: because\n$/);
});

test('a part that does not end is left behind when its time is over, and the exit code is 0', async () => {
  const work = new Work('stuck');
  work.stop = () => Promise.resolve();
  const ended = runParts([work], { host: '127.0.0.1', port: 0 }, createMetrics(), log, 50);
  await until('it runs', () => work.began);
  process.emit('SIGINT');
  assert.equal(await ended, 0);
});

test('no part begins when the address for health is taken, and no listener for signals stays', async (t) => {
  const port = await freePort();
  const parts = { metrics: createMetrics(), health: () => ({}), ready: () => ({}) };
  const other = await startHttpServer({ host: '127.0.0.1', port, ...parts });
  t.after(() => other.close());
  const work = new Work('one');
  const listeners = process.listenerCount('SIGINT');
  await assert.rejects(runParts([work], { host: '127.0.0.1', port }, createMetrics(), log), {
    code: 'HTTP_UNAVAILABLE',
  });
  assert.equal(work.began, false);
  assert.equal(process.listenerCount('SIGINT'), listeners);
});
