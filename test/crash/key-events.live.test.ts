import { setTimeout as wait } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { Random, seedOfTest } from '../support/random.ts';
import { Shop } from './shop.ts';

/** Steps of a source that follows key events, and of its commits. */
const steps = [
  'source.keys-compared',
  'source.keys-read',
  'source.sealing',
  'state.log-synced',
  'send.records-sent',
  'send.before-end',
  'send.committed',
];

const KILLS = 12;

function begin(t: TestContext): { random: Random; open: (batchRecords: number) => Promise<Shop> } {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const tell = (message: string): void => {
    t.diagnostic(message);
  };
  const open = (batchRecords: number): Promise<Shop> =>
    Shop.open(t, tell, { deletes: 'all', batchRecords, mode: 'notifications' });
  return { random: new Random(seed), open };
}

test('kill -9 at each step of a source that follows key events loses and repeats nothing (rules 1, 2, 4)', async (t) => {
  const { random, open } = begin(t);
  const shop = await open(40);
  const workload = shop.startWorkload(random, 100, { fromUncaptured: true });
  shop.sink.start();
  for (const step of steps) {
    const faults = `${step}:${random.between(1, 8)}`;
    shop.source.start(faults);
    await shop.source.diedAtFault();
    t.diagnostic(`the source died at ${faults}`);
  }
  shop.source.start();
  await shop.ready();
  await workload.more(200);
  await shop.checkAll(workload);
});

test('random kill -9 and lost subscriptions under load leave rows equal to hashes, each event once (rules 1, 2, 4)', async (t) => {
  const { random, open } = begin(t);
  const shop = await open(random.pick([4, 1000]));
  const { source, sink, redis } = shop;
  const workload = shop.startWorkload(random, 150, { fromUncaptured: true, badValues: true });
  source.start();
  sink.start();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    if (random.chance(0.4)) await source.ready();
    await wait(random.between(100, 2000));
    if (random.chance(0.3)) {
      await redis.client.client('KILL', 'TYPE', 'pubsub');
      continue;
    }
    await source.kill();
    source.start();
  }
  await shop.ready();
  await workload.more(150);
  await shop.checkAll(workload);
});
