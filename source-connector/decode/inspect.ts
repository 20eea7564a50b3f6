import { unpackHash } from '../packed-hash.ts';
import { readableText } from '../../schemas/index.ts';
import type { SnapshotEvent } from './ports.ts';
import { corruptRdb } from './rdb-error.ts';
import { RdbDecoder } from './rdb.ts';

/** A hash of an RDB file, for people and scripts: bytes stand as readableText gives them. */
export interface InspectedHash {
  readonly db: number;
  readonly key: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, or null without expiry. */
  readonly expireAt: number | null;
}

/**
 * Lists the hashes of an RDB file in its order, whatever their keys; nothing else is held. Errors (RDB_CORRUPT,
 * RDB_UNSUPPORTED) come after the hashes before them: only a listing that ends without one is verified.
 */
export async function* inspectRdb(chunks: AsyncIterable<Buffer>): AsyncGenerator<InspectedHash, void, undefined> {
  const decoder = new RdbDecoder({ captures: () => true });
  for await (const chunk of chunks) {
    decoder.push(chunk);
    for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
      if (event.kind === 'end') return;
      if (event.kind === 'hash') yield inspectedHash(event);
    }
  }
  throw corruptRdb('the file ends before its end mark', decoder.position);
}

function inspectedHash({ db, key, fields, expireAt }: Extract<SnapshotEvent, { kind: 'hash' }>): InspectedHash {
  return {
    db,
    key: readableText(key),
    fields: Object.fromEntries(unpackHash(fields).map(([name, value]) => [readableText(name), readableText(value)])),
    expireAt: expireAt === 0 ? null : expireAt,
  };
}
