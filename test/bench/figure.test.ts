import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figureOf, figureOfRounds, percentile, tableOf } from '../../bench/figure.ts';

test('the figure of several rounds is the pair whose ratio is the median', () => {
  const rounds = [
    { value: 90, limit: 100 },
    { value: 10, limit: 100 },
    { value: 100, limit: 200 },
  ];

  const { value, limit, ratio } = figureOfRounds('rate', 'records/s', 'limit', rounds);

  assert.deepEqual({ value, limit, ratio }, { value: 100, limit: 200, ratio: 0.5 });
});

test('a figure has no more digits than mean something', () => {
  const { value, limit, ratio } = figureOf('rate', 'records/s', 'limit', { value: 12345.678, limit: 3 });

  assert.deepEqual({ value, limit, ratio }, { value: 12350, limit: 3, ratio: 4115 });
});

test('percentiles are values that were seen', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);

  assert.deepEqual(
    [0, 0.5, 0.99, 1].map((share) => percentile(values, share)),
    [1, 51, 100, 100],
  );
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('a table lines numbers up on the right', () => {
  const figures = [
    figureOf('a', 'ms', 'limit', { value: 5, limit: 10 }),
    figureOf('long name', 'ms', 'limit', { value: 12345, limit: 10 }),
  ];

  assert.equal(
    tableOf(figures),
    [
      'measured    value  unit  beside  limit    ratio',
      'a               5  ms    limit      10     0.50',
      'long name  12,350  ms    limit      10  1235.00',
      '',
    ].join('\n'),
  );
});
