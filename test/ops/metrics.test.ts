import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../ops/metrics.ts';

test('metrics have the prefix, their labels, and the process beside them', async () => {
  const metrics = createMetrics();
  metrics.counter({ name: 'records_total', help: 'Records sent.', labels: ['topic'] }).inc({ topic: 't' }, 3);
  metrics.gauge({ name: 'lag_bytes', help: 'Bytes behind.' }, (gauge) => {
    gauge.set(7);
  });
  metrics.histogram({ name: 'commit_seconds', help: 'Commits.', buckets: [0.1, 1] }).observe(0.5);
  const text = await metrics.text();
  assert.match(text, /^afterwrite_records_total\{topic="t"\} 3$/m);
  assert.match(text, /^afterwrite_lag_bytes 7$/m);
  assert.match(text, /^afterwrite_commit_seconds_bucket\{le="1"\} 1$/m);
  assert.match(text, /^process_resident_memory_bytes \d+$/m);
  assert.deepEqual(metrics.names(), ['afterwrite_records_total', 'afterwrite_lag_bytes', 'afterwrite_commit_seconds']);
});

test('two sets of metrics in one process do not meet', async () => {
  const [a, b] = [createMetrics(), createMetrics()];
  a.counter({ name: 'x_total', help: 'x' }).inc();
  b.counter({ name: 'x_total', help: 'x' });
  assert.match(await b.text(), /^afterwrite_x_total 0$/m);
});
