import { fastify, type FastifyReply } from 'fastify';
import { AfterwriteError } from './errors/index.ts';
import type { Metrics } from './metrics.ts';

/** How one named part of a process is. */
export interface PartStatus {
  readonly ok: boolean;
  /** Why it is not ok, or what it is busy with. */
  readonly reason?: string;
  /** Figures for people and scripts: state, lag, offsets as texts. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}

export type PartStatuses = Readonly<Record<string, PartStatus>>;

/** Answers a GET. @param gone ends when the client does not wait any more */
export type HttpAnswer = (
  query: URLSearchParams,
  gone: AbortSignal,
) => Promise<{ readonly status: number; readonly body: object }>;

export interface HttpRoute {
  readonly path: string;
  readonly answer: HttpAnswer;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly metrics: Metrics;
  /** Whether the process works: false asks for a restart or a person. Asked at each request. */
  readonly health: () => PartStatuses;
  /** Whether the process does its job now: false while it starts, waits for an outage to end, or catches up. */
  readonly ready: () => PartStatuses;
  /** What is served beside these. */
  readonly routes?: readonly HttpRoute[] | undefined;
}

export interface HttpServer {
  /** Base URL, with the port that was taken. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves `/metrics`, `/healthz`, `/readyz` and further routes. `/healthz` and `/readyz` answer 200 when all parts are ok, otherwise 503, both
 * with `{ ok, reasons, parts }`.
 * @throws HTTP_UNAVAILABLE when the address cannot be listened on.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port, metrics, health, ready, routes = [] } = options;
  const app = fastify({ forceCloseConnections: true });
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/healthz', (_, reply) => answer(reply, health()));
  app.get('/readyz', (_, reply) => answer(reply, ready()));
  for (const { path, answer: answerOf } of routes) {
    app.get(path, async (request, reply) => {
      const gone = new AbortController();
      reply.raw.on('close', () => {
        gone.abort();
      });
      const { status, body } = await answerOf(new URL(request.url, 'http://localhost').searchParams, gone.signal);
      return await reply.code(status).send(body);
    });
  }
  try {
    const address = await app.listen({ host, port });
    return { address, close: () => app.close() };
  } catch (cause) {
    await app.close();
    throw new AfterwriteError('HTTP_UNAVAILABLE', 'The HTTP server cannot listen', { where: { host, port }, cause });
  }
}

function answer(reply: FastifyReply, parts: PartStatuses): FastifyReply {
  const broken = Object.entries(parts).filter(([, part]) => !part.ok);
  const reasons = broken.map(([name, part]) => `${name}: ${part.reason ?? 'not ok'}`);
  const ok = broken.length === 0;
  return reply.code(ok ? 200 : 503).send({ ok, reasons, parts });
}
