import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'node:test';
import type { Connector } from '../support/processes.ts';
import { Random, seedOfTest } from '../support/random.ts';
import { until } from '../support/until.ts';
import { Shop } from './shop.ts';

const KILLS = 30;

test('30 random kill -9 of source, sink and both, a broken link, a lost backlog and a lost state leave rows equal to hashes (rules 1, 2, 4, 7, 14, 18)', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const tell = (message: string): void => {
    t.diagnostic(message);
  };
  // Small ones have flushes and MULTIs cut into several transactions (rule 7).
  const batchRecords = random.pick([4, 40, 1000]);
  tell(`${batchRecords} records a transaction`);
  const shop = await Shop.open(t, tell, { deletes: 'default', batchRecords });
  const { source, sink } = shop;
  const workload = shop.startWorkload(random, 150, { fromUncaptured: true, badValues: true });
  source.start();
  sink.start();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const victims = random.pick([[source], [sink], [source, sink]]);
    // Some at work, the others somewhere between their start and their first commits.
    if (random.chance(0.3)) await Promise.all(victims.map((victim) => victim.ready()));
    await wait(random.between(100, 2500));
    await Promise.all(victims.map(endByForce));
    tell(`kill ${kill}: ${victims.map(({ name }) => name).join(' and ')}`);
    if (kill === 15) await loseState(shop);
    if (kill === 20) await loseBacklog(shop);
    for (const connector of [source, sink]) if (!connector.running) connector.start();
    if (kill === 10) await breakLink(shop);
  }
  await shop.ready();
  await workload.more(150);
  await shop.checkAll(workload);
});

/** kill -9 of a process that must still be running: nothing but the test may end it. */
async function endByForce(connector: Connector): Promise<void> {
  assert.ok(connector.running, `${connector.name} runs until it is killed; ${connector.tail()}`);
  await connector.kill();
}

/** Breaks the replication link from the master's side; the source opens another by itself. */
async function breakLink({ source, redis }: Shop): Promise<void> {
  await source.ready();
  const links = linksOf(source);
  await until('a link to break', async () => (await redis.client.client('KILL', 'TYPE', 'replica')) === 1);
  await until('another link', () => linksOf(source) > links);
}

/** Has the master forget the place where a dead source ended: only a full resync tells what happened meanwhile. */
async function loseBacklog({ source, redis }: Shop): Promise<void> {
  if (source.running) await source.kill();
  await redis.client.config('SET', 'repl-backlog-size', 16_384);
  for (let filler = 0; filler < 10; filler += 1) await redis.client.set(`filler:${filler}`, 'x'.repeat(100_000));
  const resyncs = timesSaid(source, 'full resync');
  source.start();
  await until('a full resync', () => timesSaid(source, 'full resync') > resyncs);
  await redis.client.config('SET', 'repl-backlog-size', 1_048_576);
}

/** Takes the state folder away: topics, marks and a snapshot hold all that it held. */
async function loseState({ source, config }: Shop): Promise<void> {
  if (source.running) await source.kill();
  await rm(config.source.state, { recursive: true });
}

/** How many links were opened: a command from a key that is not captured may end one at any time, too. */
function linksOf(source: Connector): number {
  return timesSaid(source, 'the stream goes on') + timesSaid(source, 'full resync');
}

function timesSaid(connector: Connector, words: string): number {
  return connector.printed().split(`"${words}"`).length - 1;
}
