import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestPipeline } from '../support/source/pipeline.ts';

const FIELDS = 1_000_000;
const CHANGES = 1000;

/** Sets `field:<first>` up to `field:<last>`, or takes them away, as commands of a thousand fields each. */
const FIELDS_OF = `
  for from = ARGV[2], ARGV[3], 1000 do
    local arguments = {}
    for field = from, math.min(from + 999, ARGV[3]) do
      arguments[#arguments + 1] = 'field:' .. field
      if ARGV[1] == 'HSET' then arguments[#arguments + 1] = 'value of ' .. field end
    end
    redis.call(ARGV[1], KEYS[1], unpack(arguments))
  end`;

async function logBytes(folder: string): Promise<number> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

test('a hash of a million fields: each change writes a piece of it, and its row is right to its last field', async (t) => {
  const fields = { name: 'name', age: { type: 'int' }, 'field:500': 'late' };
  const pipeline = await TestPipeline.open(t, { mappings: { person: { key: 'person:{id}', fields } } });
  const { client } = pipeline.redis;
  const inFields = (command: 'HSET' | 'HDEL', key: string, first: number, last: number): Promise<unknown> =>
    client.eval(FIELDS_OF, 1, key, command, first, last);
  await client.hset('person:big', 'name', 'Ann', 'age', 0);
  await inFields('HSET', 'person:big', 1, FIELDS);

  // From the snapshot, and through the stream.
  let source = pipeline.start();
  await source.caughtUp();
  const before = await logBytes(join(pipeline.folder, 'state'));
  assert.ok(before > FIELDS * 20, 'the state holds all of the hash');
  for (let n = 1; n <= CHANGES; n++) {
    if (n % 4 === 0) await client.hdel('person:big', `field:${n * 7 + 1}`);
    else if (n % 4 === 1) await client.hset('person:big', `field:${n * 900}`, `changed ${n}`);
    await client.hincrby('person:big', 'age', 1);
  }
  await source.caughtUp();
  const told = await pipeline.told();
  assert.equal(told.length, CHANGES + 1);
  assert.equal(told.at(-1), `u big Ann,${CHANGES},value of 500 HINCRBY`);
  const written = (await logBytes(join(pipeline.folder, 'state'))) - before;
  assert.ok(written / CHANGES < 3000, `${written} bytes of ${CHANGES} changes`);

  // Another life has it from the log; other keys get whole copies.
  await source.stop();
  await client.hset('person:big', 'name', 'Bob');
  source = pipeline.start();
  await source.caughtUp();
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
  await client.copy('person:big', 'person:copy');
  await client.rename('person:big', 'person:renamed');
  await client.hset('person:copy', 'age', 1);
  await client.hdel('person:renamed', 'field:500');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told('person', CHANGES + 1), [
    `u big Bob,${CHANGES},value of 500 HSET`,
    `c copy Bob,${CHANGES},value of 500 COPY`,
    'd big deleted',
    `c renamed Bob,${CHANGES},value of 500 RENAME`,
    'u copy Bob,1,value of 500 HSET',
    `u renamed Bob,${CHANGES},null HDEL`,
  ]);

  // Fact: HDEL of the last field removes the key, and Redis sends no DEL.
  await client.hdel('person:copy', 'name', 'age');
  await inFields('HDEL', 'person:copy', 1, FIELDS - 1);
  await source.caughtUp();
  const emptied = await pipeline.told('person', CHANGES + 7);
  assert.deepEqual(emptied, ['u copy null,null,value of 500 HDEL', 'u copy null,null,null HDEL']);
  await client.hdel('person:copy', `field:${FIELDS}`);
  await client.del('person:renamed');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told('person', CHANGES + 9), ['d copy deleted', 'd renamed deleted']);
  assert.equal(await client.dbsize(), 0);
  await source.stop();
});
