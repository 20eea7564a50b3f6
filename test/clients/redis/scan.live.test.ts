import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControlConnection, escapeGlob, SCAN_START, scanHashes } from '../../../clients/redis/index.ts';
import { startRedis } from '../../support/redis.ts';

test('SCAN finds the hashes of a prefix, whatever characters it has, and nothing else', async (t) => {
  const { client, port } = await startRedis(t);
  const connection = await ControlConnection.open({ host: '127.0.0.1', port });
  t.after(() => {
    connection.close();
  });
  for (const prefix of ['a*b:', 'a?b:', 'a[bc]:', 'a\\b:', 'a^b:', 'a-b:', 'plain:', 'ä{1}:']) {
    await client.flushall();
    for (let id = 0; id < 300; id++) await client.hset(`${prefix}${id}`, { n: id });
    await client.set(`${prefix}text`, 'no hash');
    await client.hset('axb:1', { n: 1 });
    await client.hset('ab:1', { n: 1 });
    const found = new Set<string>();
    for (let cursor: string | undefined = SCAN_START; cursor !== undefined;) {
      const page = await scanHashes(connection, cursor, prefix, 50);
      for (const key of page.keys) found.add(key.toString());
      cursor = page.next;
    }
    assert.equal(found.size, 300, prefix);
    assert.ok(
      [...found].every((key) => key.startsWith(prefix)),
      prefix,
    );
  }
  assert.equal(escapeGlob('a*b:'), 'a\\*b:');
});
