import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { feed } from '../../../sink-connector/consume/feed.ts';
import { RecordList } from '../../../clients/kafka/record-list.ts';
import { SteadyReader } from '../../../sink-connector/consume/steady-reader.ts';
import { recordBytes } from '../../support/record-batch.ts';

test('a feed that is asked after its end asks for nothing: nobody would wait for it', async () => {
  const reader = new SteadyReader({ resolve: () => Promise.reject(new Error('it was asked')) }, 'topic', 0);
  const signal = AbortSignal.abort(new Error('the end'));
  const batches = feed(reader, 0, { rows: 1, bytes: 1, lingerMs: 0 }, { signal });
  await assert.rejects(batches.next(), { message: 'the end' });
  // A rejection that nobody handles would fail this test a moment later.
  await setImmediate();
});

test('what was read and not written yet does not grow with the backlog', async () => {
  const inPage = 8;
  let read = 0;
  const reader = {
    fetch: (offset: number) => {
      const deltas = Array.from({ length: inPage }, (_, delta) => delta);
      const bytes = Buffer.concat(deltas.map((delta) => recordBytes({ delta, key: Buffer.from('k'), value: null })));
      const batch = { bytes, baseOffset: offset, baseTimestamp: 0, appendedAt: undefined };
      const nextOffset = offset + inPage;
      read = nextOffset;
      const lists = [RecordList.read(batch, inPage)];
      return Promise.resolve({ lists, nextOffset, highWatermark: 1000, lastStableOffset: 1000 });
    },
  };
  const rows = 5;
  const { signal } = new AbortController();
  let next = 0;
  for await (const { from, to } of feed(reader, 0, { rows, bytes: 1000, lingerMs: 1000 }, { signal })) {
    assert.deepEqual([from, to], [next, next + rows]);
    next = to;
    assert.ok(read - next < rows + inPage, `${read - next} records wait`);
    if (next > 500) break;
  }
});
