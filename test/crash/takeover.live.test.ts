import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'node:test';
import { projectFolder } from '../../services/folders.ts';
import type { Connector } from '../support/processes.ts';
import { Random, seedOfTest } from '../support/random.ts';
import { shared } from '../support/servers.ts';
import { until } from '../support/until.ts';
import { SHARD, Shop, type Tell } from './shop.ts';

/** For workers on a busy machine, ms. */
const PATIENCE = 90_000;

test('rule 2: of two workers the other one takes over when the owner is killed, stopped or frozen, and nothing is lost or told twice', async (t) => {
  const { tell, random } = begin(t);
  const shop = await Shop.open(t, tell, { deletes: 'all', batchRecords: random.pick([5, 100, 1000]), workers: 2 });
  const workload = shop.startWorkload(random, 150);
  for (const source of shop.sources) source.start();
  shop.sink.start();
  for (const way of shuffled([killed, stopped, frozen, killed, stopped, frozen], random)) {
    await takeOver(shop, way, tell, random);
  }
  await shop.checkAll(workload);
});

test('rule 2: three workers, a restart at once, workers that come and go under load: the shard stays where it works, and nothing is lost or told twice', async (t) => {
  const { tell, random } = begin(t);
  const shop = await Shop.open(t, tell, { deletes: 'all', batchRecords: random.pick([5, 100, 1000]), workers: 3 });
  const workload = shop.startWorkload(random, 150);
  const [first, ...others] = shop.sources;
  assert.ok(first !== undefined);
  first.start();
  shop.sink.start();
  assert.equal(await shop.owner(), first);
  for (const source of others) {
    source.start();
    await source.ready(PATIENCE);
    await workload.more(random.between(20, 100));
  }
  assert.equal((await first.parts('/readyz'))[SHARD]?.ok, true, 'workers that join leave the shard where it is');
  assert.equal(await first.metric(LIVES), 1, 'and end no life');

  // Its own restart is faster than the others notice, and it has the state.
  await first.kill();
  const began = performance.now();
  first.start();
  await until('it to follow the shard again', async () => (await first.parts('/readyz'))[SHARD]?.ok, {
    timeoutMs: PATIENCE,
  });
  tell(`a restart after kill -9 took ${seconds(began)} s`);
  assert.equal(timesSaid(first, 'the state is rebuilt from the topics'), 0, 'the state was on its disk');

  for (const way of shuffled([killed, stopped, frozen, killed], random)) await takeOver(shop, way, tell, random);
  // One that has nothing to do may go as it likes.
  const idle = shop.sources.filter((source) => source.running);
  const owner = await shop.owner();
  const lives = await owner.metric(LIVES);
  for (const source of idle) if (source !== owner) await source.kill();
  await workload.more(100);
  assert.equal(await shop.owner(), owner);
  assert.equal(await owner.metric(LIVES), lives);
  await shop.checkAll(workload);
});

test('rule 2: a worker that is cut off from Kafka alone is taken over, and stands by when its network is back; nothing is lost or told twice', async (t) => {
  const { tell, random } = begin(t);
  const sourceEnv = {
    NODE_OPTIONS: `--import ${join(projectFolder, 'dist', 'test', 'support', 'network-cut.js')}`,
    AFTERWRITE_TEST_CUT_PORT: shared('kafka').split(':').at(-1) ?? '',
  };
  const shop = await Shop.open(t, tell, { deletes: 'all', batchRecords: 100, workers: 2, sourceEnv });
  const workload = shop.startWorkload(random, 150);
  for (const source of shop.sources) source.start();
  shop.sink.start();
  for (let round = 1; round <= 2; round += 1) {
    const owner = await shop.owner([], PATIENCE);
    await workload.more(random.between(20, 200));
    const began = performance.now();
    owner.signal('SIGUSR2');
    const heir = await shop.owner([owner], PATIENCE);
    tell(`${owner.name} was cut off: ${heir.name} follows the shard after ${seconds(began)} s`);
    assert.equal((await owner.parts('/readyz'))['source']?.ok, false, 'one that is cut off is not ready');
    await workload.more(100);
    const lives = await heir.metric(LIVES);
    owner.signal('SIGUSR2');
    await untilStandby(owner);
    await workload.more(50);
    assert.equal(await heir.metric(LIVES), lives, 'its heir is not fenced');
    assert.equal(await shop.owner([], PATIENCE), heir);
  }
  await shop.checkAll(workload);
});

const LIVES = 'afterwrite_source_lives_total{shard="0"}';

/** What is done to an owner, and what has to be so when another one has taken over. */
interface Way {
  readonly name: string;
  readonly end: (owner: Connector) => Promise<void>;
  readonly after: (owner: Connector, heir: Connector) => Promise<void>;
}

const killed: Way = {
  name: 'kill -9',
  end: (owner) => owner.kill(),
  after: (owner) => {
    owner.start();
    return owner.ready(PATIENCE);
  },
};

const stopped: Way = {
  name: 'SIGTERM',
  end: (owner) => owner.stop(),
  after: killed.after,
};

const frozen: Way = {
  name: 'SIGSTOP',
  end: (owner) => {
    owner.freeze();
    return Promise.resolve();
  },
  /** A zombie finds out that it is none of the shard's, and does not take it from its heir. */
  after: async (owner, heir) => {
    const lives = await heir.metric(LIVES);
    owner.thaw();
    await untilStandby(owner);
    assert.equal(await heir.metric(LIVES), lives, 'its heir is not fenced');
  },
};

async function untilStandby(worker: Connector): Promise<void> {
  const stands = async (): Promise<boolean> => {
    const { source, [SHARD]: shard } = await worker.parts('/readyz');
    return source?.ok === true && shard === undefined;
  };
  await until(`${worker.name} to be on standby`, stands, { timeoutMs: PATIENCE });
}

async function takeOver(shop: Shop, way: Way, tell: Tell, random: Random): Promise<void> {
  const owner = await shop.owner([], PATIENCE);
  await wait(random.between(0, 1500));
  const began = performance.now();
  const ending = way.end(owner);
  if (way !== stopped) await ending;
  const heir = await shop.owner([owner], PATIENCE);
  tell(`${way.name} of ${owner.name}: ${heir.name} follows the shard after ${seconds(began)} s`);
  await ending;
  await way.after(owner, heir);
  assert.equal(await shop.owner([], PATIENCE), heir, 'a worker that comes back does not take the shard away');
}

function begin(t: { diagnostic(message: string): void }): { tell: Tell; random: Random } {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const tell = (message: string): void => {
    t.diagnostic(message);
  };
  return { tell, random: new Random(seed) };
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}

function timesSaid(connector: Connector, words: string): number {
  return connector.printed().split(`"${words}"`).length - 1;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => [random.next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}
