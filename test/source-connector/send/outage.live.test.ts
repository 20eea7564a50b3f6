import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTopicToEnd, type PartitionReader } from '../../../clients/kafka/index.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { TransactionalSender } from '../../../source-connector/send/port.ts';
import { kafkaAt, openReader } from '../../support/kafka.ts';
import { createPipeline, isCode } from '../../support/sender.ts';
import { startPrivate } from '../../support/servers.ts';
import { until } from '../../support/until.ts';

/** Short, so that the commit gives up soon; a broker comes back before Kafka's own default would have it give up. */
const transactionTimeoutMs = 5_000;

function filled(sender: TransactionalSender, topic: string, value: string) {
  const batch = sender.begin();
  for (let index = 0; index < 1_000; index += 1)
    batch.append(topic, index % 4, Buffer.from(`${index}`), Buffer.from(value));
  return batch;
}

/** How many committed records have each value. */
async function countsOf(reader: PartitionReader, topic: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  await readTopicToEnd(reader, topic, ({ value }) => {
    counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  });
  return counts;
}

test('a broker that is killed in the middle of a transaction', async (t) => {
  const kafka = await startPrivate(t, 'kafka');
  const client = kafkaAt(kafka.address);
  const { claimed, sender: create, topic, positions } = await createPipeline(t, { client });
  const { sender } = await claimed(0, { transactionTimeoutMs });
  await sender.commit(filled(sender, topic, 'first'), Buffer.from('first'), Promise.resolve());

  await t.test('the commit rejects, and has the position read again', async () => {
    const reader = await openReader(t, client);
    const { highWatermark } = await reader.fetch(positions, 0, 0, 0);
    const killed = until('position is sent', async () => {
      return (await reader.fetch(positions, 0, 0, 0)).highWatermark > highWatermark;
    }).then(() => kafka.kill());
    await assert.rejects(sender.commit(filled(sender, topic, 'second'), Buffer.from('second'), killed), (error) => {
      assert.ok(error instanceof AfterwriteError, String(error));
      assert.equal(error.recovery, 'reload', error.message);
      return true;
    });
  });

  await t.test('a claim says that Kafka is down, for as long as it is', async () => {
    await assert.rejects(create().claim(), isCode('KAFKA_DOWN'));
  });

  await t.test('after the restart a claim tells what was committed, and the records agree', async () => {
    await kafka.start();
    const { sender: next, position } = await claimed(0, { transactionTimeoutMs });
    // kafkajs goes on trying in the dead sender's back: its EndTxn may still get through before the claim, never after.
    const expected = position === 'second' ? ['first', 'second'] : ['first'];
    assert.equal(position, expected.at(-1));
    const reader = await openReader(t, client);
    assert.deepEqual(await countsOf(reader, topic), new Map(expected.map((value) => [value, 1_000])));
    await next.commit(filled(next, topic, 'third'), Buffer.from('third'), Promise.resolve());
    assert.equal((await claimed()).position, 'third');
    assert.deepEqual(await countsOf(reader, topic), new Map([...expected, 'third'].map((value) => [value, 1_000])));
  });
});

test('a broker that restarts while a transaction waits: the commit goes through, or the claim knows', async (t) => {
  const kafka = await startPrivate(t, 'kafka');
  const client = kafkaAt(kafka.address);
  const { claimed, topic } = await createPipeline(t, { client });
  const { sender } = await claimed();
  const restarted = kafka.stop().then(() => kafka.start());
  const outcome = await sender.commit(filled(sender, topic, 'a'), Buffer.from('a'), restarted).then(
    () => 'committed',
    (error: unknown) => {
      assert.ok(error instanceof AfterwriteError && error.recovery === 'reload', String(error));
      return 'open';
    },
  );
  const { position } = await claimed();
  if (outcome === 'committed') assert.equal(position, 'a');
  const counts = await countsOf(await openReader(t, client), topic);
  assert.deepEqual(counts, position === null ? new Map() : new Map([['a', 1_000]]));
});
