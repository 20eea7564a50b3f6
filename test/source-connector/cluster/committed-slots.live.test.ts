import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommittedSlots } from '../../../source-connector/cluster/committed-slots.ts';
import { kafkaAt } from '../../support/kafka.ts';
import { uniqueName } from '../../support/names.ts';

test('a shard that asks for the others’ positions while its worker ends opens no connection that nobody closes', async () => {
  const slots = new CommittedSlots(kafkaAt(), uniqueName('positions'));
  const asked = slots.read([0]);
  await Promise.allSettled([asked, slots.close()]);
  await assert.rejects(slots.read([0]), /KAFKA_DOWN: the positions of other shards are not read any more/);
});
