import { createHash } from 'node:crypto';
import { readableText } from '../../schemas/index.ts';
import { countFields, unpackHash } from '../packed-hash.ts';
import { wholeOf, type HeldHash } from '../wide-hash.ts';
import { describeProblem, type RowProblem } from './mapping-view.ts';

/** Where in the stream the trouble stands. */
export interface DeadLetterPlace {
  readonly pipeline: string;
  readonly shard: number;
  readonly mapping: string;
  readonly topic: string;
  readonly replid: string;
  readonly offset: number;
  readonly command: string;
  readonly at: number;
}

/**
 * The dead letter of a hash that cannot be a row: JSON, so that people and scripts can read it. Names and values are
 * their UTF-8 text, or `b64:` and base64 when they are none. A hash that does not fit into `maxBytes` is told by its
 * digest: the count of its fields, their bytes and, unless it is a wide one, which would have to be read from end to end, their
 * SHA-256 (rule 13).
 */
export function deadLetter(
  place: DeadLetterPlace,
  db: number,
  key: Buffer,
  hash: HeldHash,
  problem: RowProblem,
  maxBytes: number,
): Buffer {
  const facts = {
    v: 1,
    reason: problem.reason,
    message: describeProblem(problem),
    ...(problem.reason === 'bad-value' ? { field: problem.field.field, column: problem.field.column } : {}),
    mapping: place.mapping,
    topic: place.topic,
    db,
    key: readableText(key),
    source: {
      pipeline: place.pipeline,
      shard: place.shard,
      replid: place.replid,
      offset: place.offset,
      command: place.command,
    },
    at: new Date(place.at).toISOString(),
  };
  const bytes = Buffer.isBuffer(hash) ? hash.length : hash.bytes;
  if (bytes * 2 < maxBytes) {
    const fields = unpackHash(wholeOf(hash));
    const whole = Buffer.from(
      JSON.stringify({
        ...facts,
        hash: Object.fromEntries(fields.map(([n, v]) => [readableText(n), readableText(v)])),
      }),
    );
    if (whole.length < maxBytes) return whole;
  }
  const digest = Buffer.isBuffer(hash)
    ? { fields: countFields(hash), bytes, sha256: createHash('sha256').update(hash).digest('hex') }
    : { fields: hash.fields, bytes };
  const letter = Buffer.from(JSON.stringify({ ...facts, digest }));
  return letter.length < maxBytes
    ? letter
    : Buffer.from(
        JSON.stringify({ ...facts, key: `sha256:${createHash('sha256').update(key).digest('hex')}`, digest }),
      );
}
