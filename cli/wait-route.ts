import { parseDuration } from '../config/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import type { HttpAnswer, HttpRoute } from '../ops/http.ts';
import type { SinkWorker } from '../sink-connector/worker.ts';

/** How long is waited unless told, and at most, ms. */
const usualTimeout = 10_000;
const longestTimeout = 60_000;
/** How many may wait at once. */
const mostWaiters = 1000;

/**
 * `GET /wait?key=person:5&sink=warehouse&timeout=5s`: answers when the sink has committed what Redis had of the key when it was
 * asked. 200 with `committed: true`, 504 with what is known when the time is over, 400 for what cannot be waited for, 503
 * where Redis or Kafka does not answer.
 * @param sinks those of this process, by name
 */
export function waitRoute(sinks: ReadonlyMap<string, SinkWorker>): HttpRoute {
  let waiting = 0;
  return {
    path: '/wait',
    answer: async (query, gone) => {
      const asked = askedOf(query, sinks);
      if (typeof asked === 'string') return refusal(400, asked);
      if (waiting >= mostWaiters) return refusal(503, `${mostWaiters} others wait already`);
      waiting++;
      try {
        const signal = AbortSignal.any([gone, AbortSignal.timeout(asked.timeoutMs)]);
        const news = await asked.sink.waitFor(asked.key, signal);
        return { status: news.committed ? 200 : 504, body: news };
      } catch (error) {
        if (!(error instanceof AfterwriteError)) throw error;
        return refusal(error.code === 'WAIT_IMPOSSIBLE' ? 400 : 503, error.message);
      } finally {
        waiting--;
      }
    },
  };
}

interface Asked {
  readonly key: Buffer;
  readonly sink: SinkWorker;
  readonly timeoutMs: number;
}

/** @returns what is wrong with the question, or what is asked */
function askedOf(query: URLSearchParams, sinks: ReadonlyMap<string, SinkWorker>): Asked | string {
  const key = query.get('key');
  if (key === null || key === '') return 'key is missing: /wait?key=person:5';
  const names = [...sinks.keys()].join(', ');
  const name = query.get('sink') ?? (sinks.size === 1 ? names : undefined);
  if (name === undefined) return `sink is missing; this process has: ${names}`;
  const sink = sinks.get(name);
  if (sink === undefined) return `this process has no sink ${name}; it has: ${names || 'none'}`;
  const text = query.get('timeout');
  const timeoutMs = text === null ? usualTimeout : parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (!(timeoutMs >= 0 && timeoutMs <= longestTimeout)) return 'timeout is 0 to 60s, such as 500ms or 5s';
  return { key: Buffer.from(key), sink, timeoutMs };
}

function refusal(status: number, error: string): Awaited<ReturnType<HttpAnswer>> {
  return { status, body: { committed: false, error } };
}
