import { RdbDecoder } from '../../source-connector/decode/rdb.ts';
import { unpackHash } from '../../source-connector/packed-hash.ts';

/** What an RDB file tells, as text: bytes as latin1, so that nothing is lost. */
export interface SnapshotReading {
  readonly hashes: {
    readonly db: number;
    readonly key: string;
    readonly fields: Record<string, string>;
    readonly expireAt: number;
  }[];
  readonly aux: Record<string, string>;
  /** Undefined when the bytes end before the file does. */
  end: 'verified' | 'disabled' | undefined;
  readonly decoder: RdbDecoder;
}

/** Reads an RDB file that comes in these pieces. */
export function readSnapshot(
  pieces: Iterable<Buffer>,
  captures: (key: string) => boolean = () => true,
): SnapshotReading {
  const decoder = new RdbDecoder({ captures: (bytes, start, end) => captures(bytes.toString('latin1', start, end)) });
  const reading: SnapshotReading = { hashes: [], aux: {}, end: undefined, decoder };
  for (const piece of pieces) {
    decoder.push(piece);
    for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
      if (event.kind === 'end') reading.end = event.checksum;
      else if (event.kind === 'aux') reading.aux[event.name] = event.value.toString('latin1');
      else {
        const { db, key, expireAt } = event;
        const pairs = unpackHash(event.fields).map(
          ([name, value]) => [name.toString('latin1'), value.toString('latin1')] as const,
        );
        reading.hashes.push({ db, key: key.toString('latin1'), fields: Object.fromEntries(pairs), expireAt });
      }
    }
  }
  return reading;
}
