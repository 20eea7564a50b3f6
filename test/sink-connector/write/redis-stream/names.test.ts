import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offsetsKey, outboxKey, sharesSlot } from '../../../../sink-connector/write/redis-stream/names.ts';
import { keySlot } from '../../../../source-connector/decode/key-slot.ts';

test('a stream and its offsets are in one slot of a cluster, whatever hash tag the name has', () => {
  for (const stream of ['person', 'events:person', '{eu}:person', 'a{b}c{d}', 'a{b', '{}person{x}', '{{x}}', 'é🙂']) {
    if (!sharesSlot(stream)) {
      assert.equal(stream, '{}person{x}');
      continue;
    }
    const place = { topic: 'shop.person', partition: 7 };
    const keys = [offsetsKey('ware{house}', place.topic, stream), outboxKey('ware{house}', place, stream)];
    for (const key of keys) assert.equal(keySlot(Buffer.from(key)), keySlot(Buffer.from(stream)), key);
  }
  assert.equal(sharesSlot('a}b'), false);
});
