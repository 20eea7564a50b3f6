import assert from 'node:assert/strict';
import { test } from 'node:test';
import { car, person, TestPipeline } from '../support/source/pipeline.ts';
import { until } from '../support/until.ts';

const IDS = ['del', 'overwritten', 'emptied', 'renamed', 'expired', 'gone', 'flushed'];
const causes = ['deleted', 'expired', 'evicted', 'flushed', 'vanished', 'ambiguous'];

test('a mapping has the policies of its own where it has any, and those of the source elsewhere, for each cause', async (t) => {
  // The source keeps all; cars are deleted whatever the cause, and of boats only those that are deleted.
  const all = (policy: string): Record<string, string> => Object.fromEntries(causes.map((cause) => [cause, policy]));
  const pipeline = await TestPipeline.open(t, {
    source: { removals: all('keep') },
    mappings: {
      person,
      car: { ...car, removals: all('delete') },
      boat: { key: 'boat:{id}', fields: { color: 'color' }, removals: { deleted: 'delete' } },
    },
  });
  const { client } = pipeline.redis;
  const mappings = ['person', 'car', 'boat'];
  for (const name of mappings) for (const id of IDS) await client.hset(`${name}:${id}`, 'name', id, 'color', id);
  await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
  const source = pipeline.start();
  await source.caughtUp();

  for (const name of mappings) {
    await client.del(`${name}:del`);
    await client.set(`${name}:overwritten`, 'x');
    await client.hdel(`${name}:emptied`, 'name', 'color');
    await client.rename(`${name}:renamed`, `old:${name}`);
    await client.pexpire(`${name}:expired`, 1);
  }
  // Time passes for certain before Redis removes them.
  const from = Date.now();
  await until('a proven time', async () => {
    await client.hincrby('person:tick', 'age', 1);
    return (await source.caughtUp()).clock > from + 100;
  });
  for (const name of mappings) assert.equal(await client.hget(`${name}:expired`, 'name'), null);
  await source.caughtUp();
  await source.stop();

  // Nobody looks.
  for (const name of mappings) await client.del(`${name}:gone`);
  const resync = pipeline.start({}, { resync: true });
  await resync.caughtUp();
  await client.flushall();
  await resync.caughtUp();

  const keptOf = async (name: string): Promise<string[]> =>
    Object.keys(await pipeline.rows(name))
      .filter((id) => id !== 'tick')
      .sort();
  assert.deepEqual(await keptOf('person'), [...IDS].sort());
  assert.deepEqual(await keptOf('car'), []);
  assert.deepEqual(await keptOf('boat'), ['expired', 'flushed', 'gone']);
  const deletes = (await pipeline.told('car')).filter((line) => line.startsWith('d ')).sort();
  assert.deepEqual(deletes, [
    'd del deleted',
    'd emptied deleted',
    'd expired expired',
    'd flushed flushed',
    'd gone vanished',
    'd overwritten deleted',
    'd renamed deleted',
  ]);
  const marks = await pipeline.marks();
  const causesOf = (name: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(marks)
        .filter(([key]) => key.startsWith(`0:${name}:`) && !key.endsWith(':tick'))
        .map(([key, mark]) => [key.slice(`0:${name}:`.length), /"kept":"(\w+)"/.exec(mark)?.[1] ?? mark]),
    );
  const later = { expired: 'expired', gone: 'vanished', flushed: 'flushed' };
  const atOnce = { del: 'deleted', overwritten: 'deleted', emptied: 'deleted', renamed: 'deleted' };
  assert.deepEqual(causesOf('person'), { ...atOnce, ...later });
  assert.deepEqual(causesOf('boat'), later);
  assert.deepEqual(causesOf('car'), {});
});
