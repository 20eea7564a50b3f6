import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { encodeCommand } from '../../source-connector/capture/psync.ts';
import { keyOf, writeHashes } from '../hashes.ts';
import type { RedisServer } from '../servers.ts';

/** The prefix of all keys, which is captured. */
export const prefix = 'person';

/** Has Redis write an RDB file of hashes. @returns its path */
export async function makeRdb({ client }: RedisServer, hashes: number): Promise<string> {
  await client.flushall();
  await writeHashes(client, prefix, hashes);
  await client.save();
  const [, folder = ''] = await client.config('GET', 'dir').then(asTexts);
  return join(folder, 'dump.rdb');
}

/** Writes what a master sends of HSETs of three fields (it sends them as they came), with a ping at times. */
export async function makeStream(folder: string, commands: number): Promise<string> {
  const path = join(folder, 'stream');
  const file = createWriteStream(path);
  file.write(encodeCommand(['SELECT', '0']));
  for (let i = 0; i < commands; i++) {
    const fields = ['first_name', `Ada${i % 977}`, 'last_name', `Lovelace${i % 9973}`, 'age', String(18 + (i % 80))];
    const ping = i % 10_000 === 0 ? encodeCommand(['PING']) : '';
    if (!file.write(ping + encodeCommand(['HSET', keyOf(prefix, (i * 7919) % 200_000), ...fields]))) {
      await once(file, 'drain');
    }
  }
  file.end();
  await finished(file);
  return path;
}

function asTexts(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}
