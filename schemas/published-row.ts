import avro, { type Type } from 'avsc';
import { AfterwriteError } from '../ops/errors/index.ts';
import { avroType } from './avro-type.ts';
import type { SchemaSource } from './decode.ts';

/** What an event says was published last for a Redis key, as the bytes that were sent. */
export interface PublishedRow {
  /** The shard that published it. */
  readonly shard: number;
  readonly db: number;
  /** The Redis key. */
  readonly key: Buffer;
  /** The row's Avro bytes (a view), and the id of the schema that they were written with; null after a delete. */
  readonly row: Buffer | null;
  readonly schemaId: number;
  readonly version: number;
}

interface EnvelopeParts {
  readonly before: Type;
  readonly after: Type;
  readonly source: Type;
}

/**
 * Reads events without turning rows into values: a state that is rebuilt from its topics has to hold the very bytes
 * that were published, or every row would look changed.
 */
export class PublishedRowReader {
  readonly #topic: string;
  readonly #schemas: SchemaSource;
  readonly #envelopes = new Map<number, EnvelopeParts>();

  constructor(topic: string, schemas: SchemaSource) {
    this.#topic = topic;
    this.#schemas = schemas;
  }

  /** @param value an event's value, not a tombstone's. @throws RECORD_UNREADABLE, SCHEMA_UNKNOWN, REGISTRY_DOWN */
  async read(value: Buffer): Promise<PublishedRow> {
    if (value.length < FRAME || value.readUInt8(0) !== 0) throw this.#unreadable('it does not begin with a schema id');
    const schemaId = value.readUInt32BE(1);
    let parts = this.#envelopes.get(schemaId);
    if (parts === undefined) {
      parts = this.#partsOf(avroType(await this.#schemas.schemaById(schemaId)));
      this.#envelopes.set(schemaId, parts);
    }
    const afterAt = this.#skip(parts.before, value, FRAME);
    const sourceAt = this.#skip(parts.after, value, afterAt);
    const source: unknown = parts.source.decode(value, sourceAt).value;
    if (!hasPlace(source)) throw this.#unreadable('its source block names no key');
    // A union begins with its branch: 0 is null, 2 (zigzag of 1) the row, which follows it.
    const row = value.readUInt8(afterAt) === 0 ? null : value.subarray(afterAt + 1, sourceAt);
    const { shard, db, key } = source;
    return { shard, db, key, row, schemaId, version: Number(source.version) };
  }

  #partsOf(envelope: Type): EnvelopeParts {
    if (!(envelope instanceof avro.types.RecordType)) throw this.#unreadable('its schema is no record');
    const [before, after, source] = envelope.fields;
    if (before?.name !== 'before' || after?.name !== 'after' || source?.name !== 'source') {
      throw this.#unreadable('its schema is no envelope');
    }
    return { before: before.type, after: after.type, source: source.type };
  }

  #skip(type: Type, value: Buffer, at: number): number {
    const { offset } = type.decode(value, at);
    if (offset < 0) throw this.#unreadable('it ends too early');
    return offset;
  }

  #unreadable(reason: string): AfterwriteError {
    return new AfterwriteError('RECORD_UNREADABLE', `A record cannot be read: ${reason}`, {
      where: { topic: this.#topic },
    });
  }
}

/** Bytes of Confluent's framing. */
const FRAME = 5;

function hasPlace(source: unknown): source is { shard: number; db: number; key: Buffer; version: number | bigint } {
  if (
    typeof source !== 'object' ||
    source === null ||
    !('shard' in source) ||
    !('db' in source) ||
    !('key' in source) ||
    !('version' in source)
  )
    return false;
  return typeof source.shard === 'number' && typeof source.db === 'number' && Buffer.isBuffer(source.key);
}
