import { AfterwriteError, type Where } from '../ops/errors/index.ts';
import { avroType, partialDecoder, type RecordParts } from './avro-type.ts';
import { ofType } from './column-type.ts';
import { type ColumnReader, columnReaders, type ColumnValue } from './column-value.ts';
import { type DecodedEvent, type EventRecord, FRAME, headerText, ReadEvent, WalkedRecord } from './decoded-event.ts';
import { VERSION_HEADER } from './event.ts';
import {
  eventWalker,
  type EventWalker,
  isComplete,
  keyWalker,
  type KeyWalker,
  type WalkedColumns,
  type WalkedEvent,
} from './event-walk.ts';
import type { Mapping } from './mapping.ts';

/** Where schemas come from: the registry. */
export interface SchemaSource {
  schemaById(id: number): Promise<string>;
}

type Fields = Readonly<Record<string, unknown>>;

/** A schema, as it was written with. */
interface Writer {
  readonly id: number;
  /** Read a key and an event of the schemas that this program makes; undefined for others. */
  readonly keys: KeyWalker | undefined;
  readonly events: EventWalker | undefined;
  /** Reads what decoding asks for, and passes over the rest, whatever the schema. */
  readonly decode: (bytes: Buffer, at: number) => { readonly value: unknown; readonly offset: number };
}

interface NamedReader {
  readonly name: string;
  readonly type: string;
  readonly read: ColumnReader;
}

/**
 * Decodes the records of a mapping's topic, written with any version of its schema: columns that the version did not
 * have are null, those that the mapping no longer has are left out.
 *
 * Schemas come over the network, values do not wait: `prepare` a batch, then `decode` its records.
 */
export class EventDecoder {
  readonly #topic: string;
  readonly #schemas: SchemaSource;
  readonly #writers = new Map<number, Writer>();
  readonly #keyReaders: readonly NamedReader[];
  readonly #fieldReaders: readonly NamedReader[];

  constructor(mapping: Mapping, schemas: SchemaSource) {
    this.#topic = mapping.topic;
    this.#schemas = schemas;
    this.#keyReaders = mapping.keyColumns.map(({ name, type }) => ({ name, type, read: ofType(columnReaders, type) }));
    this.#fieldReaders = mapping.fields.map(({ column, type }) => ({
      name: column,
      type,
      read: ofType(columnReaders, type),
    }));
  }

  /**
   * Fetches the schemas that these records were written with and that are not known yet.
   * @throws SCHEMA_UNKNOWN, RECORD_UNREADABLE for bytes without Confluent's framing or a schema that is none, and what
   *   the registry throws.
   */
  async prepare(records: Iterable<EventRecord>): Promise<void> {
    for (const record of records) {
      for (const id of this.#schemasOf(record)) {
        if (!this.#writers.has(id)) this.#writers.set(id, await this.#fetch(id, record));
      }
    }
  }

  /** Whether the schemas of a record are prepared. @throws RECORD_UNREADABLE for bytes without Confluent's framing */
  isPrepared(record: EventRecord): boolean {
    const { keyStart, keyEnd, valueStart, valueEnd } = record;
    return (
      (keyStart < 0 || this.#writers.has(this.#schemaIdAt(keyStart, keyEnd, record))) &&
      (valueStart < 0 || this.#writers.has(this.#schemaIdAt(valueStart, valueEnd, record)))
    );
  }

  /** What a record says; all of it can be read then. Its schemas must be prepared. @throws RECORD_UNREADABLE */
  decode(record: EventRecord): DecodedEvent {
    const { keyStart, keyEnd, valueStart, valueEnd } = record;
    if (keyStart < 0) throw this.#unreadable('it has no key', record);
    const keyWriter = this.#writerAt(keyStart, keyEnd, record);
    if (valueStart < 0) return new ReadEvent(record, this.#keyOf(keyWriter, record), null, tombstoneVersion(record));
    const writer = this.#writerAt(valueStart, valueEnd, record);
    if (keyWriter.keys === undefined || writer.events === undefined) {
      const fields = this.#read(writer, valueStart, valueEnd, record);
      return this.#eventOf(fields, this.#keyOf(keyWriter, record), record);
    }
    return this.#walked(keyWriter, keyWriter.keys, writer, writer.events, record);
  }

  #walked(keyWriter: Writer, keys: KeyWalker, writer: Writer, events: EventWalker, record: EventRecord): DecodedEvent {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = record;
    let fits: boolean;
    try {
      fits = keys.fits(bytes, keyStart + FRAME, keyEnd);
    } catch (cause) {
      throw this.#damaged(keyWriter, record, cause);
    }
    // Reading it says which column it is.
    if (!fits) this.#keyOf(keyWriter, record);
    let event: WalkedEvent;
    try {
      event = events.walk(bytes, valueStart + FRAME, valueEnd);
    } catch (cause) {
      throw this.#damaged(writer, record, cause);
    }
    const hasRow = this.#hasRow(event.op, event.rowAt < 0 ? null : event, record);
    if (hasRow && !event.rowFits) this.#checked(this.#fieldReaders, events.row(bytes, event.rowAt, valueEnd), record);
    return new WalkedRecord(record, hasRow ? event.rowAt : -1, event.versionAt, keys, events);
  }

  #keyOf(writer: Writer, record: EventRecord): readonly ColumnValue[] {
    const { bytes, keyStart, keyEnd } = record;
    let keyValues: readonly ColumnValue[];
    if (writer.keys === undefined) {
      keyValues = this.#values(this.#keyReaders, this.#read(writer, keyStart, keyEnd, record), record);
    } else {
      try {
        keyValues = this.#checked(this.#keyReaders, writer.keys.read(bytes, keyStart + FRAME, keyEnd), record);
      } catch (cause) {
        throw cause instanceof RangeError ? this.#damaged(writer, record, cause) : cause;
      }
    }
    if (keyValues.includes(null)) throw this.#unreadable("its key has not all of the mapping's key columns", record);
    return keyValues;
  }

  #eventOf({ source, op, after }: Fields, keyValues: readonly ColumnValue[], record: EventRecord): DecodedEvent {
    const version = isFields(source) ? source['version'] : undefined;
    if (typeof version !== 'number' && typeof version !== 'bigint') {
      throw this.#unreadable('it has no source block with a version', record);
    }
    const row = isFields(after) ? after : null;
    const values = this.#hasRow(op, row, record) ? this.#values(this.#fieldReaders, row, record) : null;
    return new ReadEvent(record, keyValues, values, BigInt(version));
  }

  /** Whether the event is a row, and not its removal. */
  #hasRow<T>(op: unknown, after: T | null, record: EventRecord): after is T {
    if (op === 'd') return false;
    if (op !== 'c' && op !== 'u' && op !== 'r')
      throw this.#unreadable(`its op is ${String(op)}, not c, u, d or r`, record);
    if (after === null) throw this.#unreadable(`its op is ${op}, but it has no row`, record);
    return true;
  }

  #checked(readers: readonly NamedReader[], values: WalkedColumns, record: EventRecord): readonly ColumnValue[] {
    if (isComplete(values)) return values;
    const { name, type } = readers[values.indexOf(undefined)] ?? { name: '?', type: '?' };
    throw this.#unreadable(`its column ${name} was written as another type than ${type}`, record);
  }

  #values(readers: readonly NamedReader[], fields: Fields, record: EventRecord): ColumnValue[] {
    const values: ColumnValue[] = [];
    for (const { name, type, read } of readers) {
      const field = fields[name] ?? null;
      const value = field === null ? null : read(field);
      if (value === undefined)
        throw this.#unreadable(`its column ${name} was written as another type than ${type}`, record);
      values.push(value);
    }
    return values;
  }

  #writerAt(start: number, end: number, record: EventRecord): Writer {
    const id = this.#schemaIdAt(start, end, record);
    const writer = this.#writers.get(id);
    if (writer !== undefined) return writer;
    throw new AfterwriteError('INTERNAL', `The schema ${id} was not prepared`, { where: { topic: this.#topic } });
  }

  #read(writer: Writer, start: number, end: number, record: EventRecord): Fields {
    const bytes = record.bytes.subarray(start, end);
    let decoded: { readonly value: unknown; readonly offset: number };
    try {
      decoded = writer.decode(bytes, FRAME);
    } catch (cause) {
      throw this.#damaged(writer, record, cause);
    }
    // avsc gives a negative offset when the bytes end too early.
    if (decoded.offset !== bytes.length || !isFields(decoded.value)) throw this.#damaged(writer, record);
    return decoded.value;
  }

  #schemasOf(record: EventRecord): number[] {
    const { keyStart, keyEnd, valueStart, valueEnd } = record;
    const ids: number[] = [];
    if (keyStart >= 0) ids.push(this.#schemaIdAt(keyStart, keyEnd, record));
    if (valueStart >= 0) ids.push(this.#schemaIdAt(valueStart, valueEnd, record));
    return ids;
  }

  #schemaIdAt(start: number, end: number, record: EventRecord): number {
    const { bytes } = record;
    if (end - start < FRAME || bytes[start] !== 0) throw this.#unreadable('it does not begin with a schema id', record);
    return bytes.readUInt32BE(start + 1);
  }

  async #fetch(id: number, record: EventRecord): Promise<Writer> {
    const text = await this.#schemas.schemaById(id);
    try {
      const type = avroType(text);
      return {
        id,
        keys: keyWalker(type, this.#keyReaders),
        events: eventWalker(type, this.#fieldReaders),
        decode: partialDecoder(type, EVENT_PARTS),
      };
    } catch (cause) {
      throw this.#unreadable(`its schema ${id} is no Avro schema`, record, cause);
    }
  }

  #damaged({ id }: Writer, record: EventRecord, cause?: unknown): AfterwriteError {
    return this.#unreadable(`it is not what its schema ${id} says`, record, cause);
  }

  #unreadable(reason: string, { offset }: EventRecord, cause?: unknown): AfterwriteError {
    const where: Where = { topic: this.#topic, offset };
    return new AfterwriteError('RECORD_UNREADABLE', `A record cannot be read: ${reason}`, { where, cause });
  }
}

/** What of an envelope is looked at; keys have none of these fields and are read whole. */
const EVENT_PARTS: RecordParts = { after: true, source: { version: true }, op: true };

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** A tombstone says in its headers what it deletes: compaction may have taken the event before it (rule 11). */
function tombstoneVersion({ headers }: EventRecord): bigint | undefined {
  const version = headerText(headers?.[VERSION_HEADER]);
  return /^\d{1,19}$/.test(version) ? BigInt(version) : undefined;
}
