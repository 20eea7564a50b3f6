import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseReplayStart,
  planStep,
  type ReplayedPartition,
  type ReplayStart,
} from '../../sink-connector/replay-plan.ts';
import type { StoredOffset } from '../../sink-connector/write/port.ts';

test('a replay begins at earliest, at an offset, or at a time that says its zone', () => {
  assert.deepEqual(parseReplayStart('earliest'), { kind: 'earliest' });
  assert.deepEqual(parseReplayStart('42'), { kind: 'offset', offset: 42n });
  const time = { kind: 'time', time: new Date(Date.UTC(2026, 0, 31, 8)) };
  assert.deepEqual(parseReplayStart('2026-01-31T08:00:00Z'), time);
  assert.deepEqual(parseReplayStart('2026-01-31T09:00:00.000+01:00'), time);
  assert.deepEqual(parseReplayStart('2026-01-31'), { kind: 'time', time: new Date(Date.UTC(2026, 0, 31)) });
  for (const text of ['latest', '-1', '1.5', '', 'yesterday', '2026-01-31T08:00:00', '2026-13-01', '1e3'])
    assert.equal(parseReplayStart(text), undefined, text);
});

const stored: StoredOffset = { clusterId: 'c', nextOffset: 50n, epoch: 3n, owner: 7n, caughtUpAt: null };
const place = { topic: 't', partition: 1 };

function planned(start: ReplayStart, found: Partial<ReplayedPartition> = {}) {
  return planStep(start, { ...place, bounds: { first: 10, end: 60 }, atTime: undefined, stored, ...found });
}

/** What is wrong with a replay. */
function problem(...wanted: Parameters<typeof planned>): string {
  const step = planned(...wanted);
  return typeof step === 'string' ? step : `nothing is wrong: ${step.kind}`;
}

function offset(value: number): ReplayStart {
  return { kind: 'offset', offset: BigInt(value) };
}

const earliest: ReplayStart = { kind: 'earliest' };
const time: ReplayStart = { kind: 'time', time: new Date(0) };

test('the offset goes back to the first record, to that of a time, or to the one named', () => {
  assert.deepEqual(planned(earliest), { kind: 'move', ...place, stored, to: 10n });
  assert.deepEqual(planned(time, { atTime: 30 }), { kind: 'move', ...place, stored, to: 30n });
  assert.deepEqual(planned(offset(10)), { kind: 'move', ...place, stored, to: 10n });
  assert.deepEqual(planned(offset(49)), { kind: 'move', ...place, stored, to: 49n });
});

test('where the sink stands, or has not come to, there is nothing to replay', () => {
  assert.deepEqual(planned(offset(50)), { kind: 'nothing', ...place, stored });
  assert.deepEqual(planned(time, { atTime: 60 }), { kind: 'nothing', ...place, stored });
  assert.deepEqual(planned(time, { atTime: 55 }), { kind: 'nothing', ...place, stored });
  assert.deepEqual(planned(earliest, { bounds: { first: 50, end: 60 } }), { kind: 'nothing', ...place, stored });
  assert.deepEqual(planned(earliest, { stored: undefined }), { kind: 'unclaimed', ...place });
});

test('a replay that would skip records, or reads what is not there, is refused with the places', () => {
  assert.match(problem(offset(51)), /^Offset 51 of partition 1 of t is ahead of the sink.*at 50/);
  assert.match(problem(offset(9)), /^Offset 9 of partition 1 of t is not there.*10 to 60/);
  assert.match(problem(earliest, { bounds: { first: 51, end: 60 } }), /stands at offset 50.*not there/);
  assert.match(problem(earliest, { bounds: { first: 0, end: 49 } }), /stands at offset 50.*not there/);
});
