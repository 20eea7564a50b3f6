import { createReadStream } from 'node:fs';
import { once } from 'node:events';
import { AfterwriteError } from '../ops/errors/index.ts';
import { inspectRdb as hashesOf, type InspectedHash } from '../source-connector/decode/inspect.ts';

/** Prints the hashes of an RDB file: for people, or as one JSON object a line. @throws RDB_CORRUPT, RDB_UNSUPPORTED */
export async function inspectRdb(file: string, json: boolean): Promise<void> {
  for await (const hash of hashesOf(chunksOf(file))) {
    const text = json ? JSON.stringify(hash) : forPeople(hash);
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
  }
}

async function* chunksOf(file: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of createReadStream(file)) if (Buffer.isBuffer(chunk)) yield chunk;
  } catch (cause) {
    throw new AfterwriteError('FILE_UNREADABLE', 'the file cannot be read', { where: { file }, cause });
  }
}

function forPeople({ db, key, fields, expireAt }: InspectedHash): string {
  const expiry = expireAt === null ? '' : ` (expires ${new Date(expireAt).toISOString()})`;
  return [`db ${db} ${key}${expiry}`, ...Object.entries(fields).map(([name, value]) => `  ${name} = ${value}`)].join(
    '\n',
  );
}
