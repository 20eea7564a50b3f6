import { test } from 'node:test';
import { Random, seedOfTest } from '../support/random.ts';
import { Shop } from './shop.ts';

test('Ctrl-C at any moment ends source and sink in order, and nothing is half done', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const tell = (message: string): void => {
    t.diagnostic(message);
  };
  const shop = await Shop.open(t, tell, { deletes: 'all', batchRecords: 5 });
  const { source, sink } = shop;
  const workload = shop.startWorkload(random, 100);
  for (let life = 1; life <= 3; life += 1) {
    source.start();
    sink.start();
    await shop.ready();
    await workload.more(random.between(1, 100));
    await Promise.all([source.stop(random.pick(['SIGINT', 'SIGTERM'])), sink.stop(random.pick(['SIGINT', 'SIGTERM']))]);
  }
  source.start();
  sink.start();
  await shop.checkAll(workload);
});

test('Ctrl-C ends a source in order that needs a full resync while a transaction is under way', async (t) => {
  const shop = await Shop.open(t, () => undefined, { deletes: 'all', batchRecords: 3 });
  const { source, redis } = shop;
  source.start();
  await source.ready();
  source.freeze();
  const writes = redis.client.pipeline();
  for (let number = 0; number < 200; number += 1) writes.hset(`person:${number % 20}`, 'age', number);
  // More hashes change places than a transaction may hold: the stream does not say enough.
  writes.swapdb(0, 1);
  await writes.exec();
  source.thaw();
  await source.stop();
});
