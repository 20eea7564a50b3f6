import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectFolder } from '../../services/folders.ts';
import type { Connector } from '../support/processes.ts';
import { Random, seedOfTest } from '../support/random.ts';
import { Shop, type Tell } from './shop.ts';

/** The named steps of the two commit protocols, in their order. */
const sourceSteps = [
  'send.claimed',
  'source.sealing',
  'state.log-appended',
  'state.log-synced',
  'send.begun',
  'send.records-sent',
  'send.position-sent',
  'send.before-end',
  'send.committed',
] as const;
const sinkSteps = [
  'sink.begun',
  'sink.rows-written',
  'sink.offset-moved',
  'sink.before-commit',
  'sink.committed',
] as const;

/** Passed only where a row is rejected: test/sink-connector/poison.live.test.ts ends a sink there. */
const rejectionSteps = ['sink.dead-letters-written'] as const;

/** Passed only where rows are removed that the topic lacks: test/sink-connector/orphans.live.test.ts ends a sink there. */
const orphanSteps = ['sink.orphans-found', 'sink.orphans-removed'] as const;

/** Passed only where commands are acknowledged: test/contract/suite/acknowledgements.ts ends a sink there. */
const acknowledgementSteps = ['sink.outbox-written', 'sink.acknowledgements-sent'] as const;

/** Passed only where a server is followed by its key events: test/crash/key-events.live.test.ts ends a source there. */
const keyEventSteps = ['source.keys-read', 'source.keys-compared'] as const;

/** Passed only while a mapping is filled: test/source-connector/fill.live.test.ts ends a source there. */
const fillSteps = ['source.fill-page', 'source.fill-refolded', 'source.fill-vanished'] as const;

/** Passed only where operations ask for something: test/source-connector/operations.live.test.ts ends a source there. */
const effectSteps = ['source.effects'] as const;

/** Passed only where rows are written through: test/source-connector/write-through/ ends a source there. */
const throughSteps = ['source.verdict-due', 'source.verdict-written'] as const;

/** Passed only where slots of a cluster move: test/source-connector/cluster/failures.live.test.ts ends sources there. */
const slotSteps = ['slots.releasing', 'slots.arriving', 'slots.arrived'] as const;

/** Steps that a life passes once. */
const once = new Set<string>(['send.claimed']);

test('every named step of the sources is one that these tests end a process at', () => {
  const named = ['source-connector', 'sink-connector', 'clients', 'schemas', 'ops', 'cli'].flatMap(stepsIn).sort();
  // A transaction in event order passes the same steps, in its own place.
  const seldom = [
    ...rejectionSteps,
    ...orphanSteps,
    ...acknowledgementSteps,
    ...keyEventSteps,
    ...fillSteps,
    ...effectSteps,
    ...throughSteps,
    ...slotSteps,
  ];
  const ended = [...sourceSteps, ...sinkSteps, ...seldom];
  assert.deepEqual([...new Set(named)], ended.sort());
});

test('kill -9 at each step of both protocols, in the stream, loses and repeats nothing (rules 1, 2, 14, 18)', async (t) => {
  const random = begin(t);
  const shop = await Shop.open(t, tellOf(t), { deletes: 'all' });
  const workload = shop.startWorkload(random, 200);
  await Promise.all([
    dieAtEach(shop.source, sourceSteps, random, tellOf(t)),
    dieAtEach(shop.sink, sinkSteps, random, tellOf(t)),
  ]);
  await shop.ready();
  await workload.more(200);
  await shop.checkAll(workload);
});

test('kill -9 at each step of the source, in a snapshot, loses and repeats nothing (rules 1, 2, 4, 7)', async (t) => {
  const random = begin(t);
  const shop = await Shop.open(t, tellOf(t), { deletes: 'all', batchRecords: 50 });
  const workload = shop.startWorkload(random, 50, { flushes: false, swaps: false });
  for (const [life, step] of shuffled(sourceSteps, random).entries()) {
    // No life gets to the end of its snapshot, so the next one needs a full resync; and each finds much to publish.
    await rewriteFill(shop, life, random);
    await dieAt(shop.source, step, random.between(1, 6), tellOf(t));
  }
  await rewriteFill(shop, sourceSteps.length, random);
  shop.source.start();
  shop.sink.start();
  await shop.ready();
  await shop.checkAll(workload);
});

function begin(t: { diagnostic(message: string): void }): Random {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  return new Random(seed);
}

function tellOf(t: { diagnostic(message: string): void }): Tell {
  return (message) => {
    t.diagnostic(message);
  };
}

/** Has a life end at each step, and begins one that does not: the other connector lives on what this one does. */
async function dieAtEach(connector: Connector, steps: readonly string[], random: Random, tell: Tell): Promise<void> {
  for (const step of shuffled(steps, random)) await dieAt(connector, step, random.between(1, 12), tell);
  connector.start();
}

/** Has a new life end at this pass of a step. */
async function dieAt(connector: Connector, step: string, pass: number, tell: Tell): Promise<void> {
  const faults = `${step}:${once.has(step) ? 1 : pass}`;
  connector.start(faults);
  await connector.diedAtFault();
  tell(`${connector.name} died at ${faults}`);
}

const FILL = 600;

/** Gives most of some hundred hashes values that they never had, and removes the others. */
async function rewriteFill(shop: Shop, life: number, random: Random): Promise<void> {
  const writes = shop.redis.client.pipeline();
  for (let number = 0; number < FILL; number += 1) {
    const key = `person:fill:${number}`;
    if (random.chance(0.2)) writes.del(key);
    else writes.hset(key, 'first_name', `name ${number}`, 'visits', life * FILL + number);
  }
  await writes.exec();
}

function shuffled(steps: readonly string[], random: Random): string[] {
  return steps
    .map((step) => [random.next(), step] as const)
    .sort(([a], [b]) => a - b)
    .map(([, step]) => step);
}

function stepsIn(room: string): string[] {
  const folder = join(projectFolder, room);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/\bfault\('([^']+)'\)/g)].map(([, step = '']) => step),
  );
}
