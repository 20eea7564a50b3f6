import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { startHttpServer, type PartStatus } from '../../ops/http.ts';
import { createMetrics } from '../../ops/metrics.ts';

test('serves metrics, and health with the parts and the reasons', async (t) => {
  let redis: PartStatus = { ok: true, details: { state: 'streaming', lag: 3 } };
  const metrics = createMetrics();
  metrics.counter({ name: 'x_total', help: 'x' }).inc(5);
  const health = () => ({ redis, kafka: { ok: true } });
  const server = await startHttpServer({ host: '127.0.0.1', port: 0, metrics, health, ready: () => ({}) });
  t.after(() => server.close());
  const get = async (path: string) => {
    const response = await fetch(server.address + path);
    return { status: response.status, type: response.headers.get('content-type') ?? '', body: await response.text() };
  };

  const scraped = await get('/metrics');
  assert.match(scraped.type, /^text\/plain; version=0\.0\.4/);
  assert.match(scraped.body, /^afterwrite_x_total 5$/m);

  const well = await get('/healthz');
  assert.equal(well.status, 200);
  assert.deepEqual(JSON.parse(well.body), { ok: true, reasons: [], parts: { redis, kafka: { ok: true } } });

  redis = { ok: false, reason: 'no answer since 10 s' };
  const ill = await get('/healthz');
  assert.equal(ill.status, 503);
  assert.deepEqual(JSON.parse(ill.body), {
    ok: false,
    reasons: ['redis: no answer since 10 s'],
    parts: { redis, kafka: { ok: true } },
  });
  assert.equal((await get('/readyz')).status, 200);
  assert.equal((await get('/nowhere')).status, 404);
});

test('a port that is taken is an error that names it', async (t) => {
  const options = { host: '127.0.0.1', metrics: createMetrics(), health: () => ({}), ready: () => ({}) };
  const first = await startHttpServer({ ...options, port: 0 });
  t.after(() => first.close());
  const port = Number(new URL(first.address).port);
  await assert.rejects(startHttpServer({ ...options, port }), (error) => {
    assert.ok(error instanceof AfterwriteError && error.code === 'HTTP_UNAVAILABLE');
    assert.equal(error.where.port, port);
    return true;
  });
});
