import { AfterwriteError } from '../ops/errors/index.ts';
import type { ColumnValue } from './column-value.ts';
import { ACK_HEADER } from './event.ts';
import { type EventWalker, isComplete, type KeyWalker, type WalkedColumns } from './event-walk.ts';

/** A header that is repeated is an array. */
export type HeaderValue = Buffer | string | readonly (Buffer | string)[] | undefined;

/** A record as a consumer hands it out: where its parts stand in some bytes. A part that is null has the start −1. */
export interface EventRecord {
  readonly bytes: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly headers?: Readonly<Record<string, HeaderValue>> | undefined;
  /** Named in errors. */
  readonly offset: number;
}

/** What one record says about one row. */
export interface DecodedEvent {
  /** The record's key, byte for byte: two records are about the same row exactly when these are equal. */
  readonly key: Buffer;
  /** The same as a Latin-1 text: one character a byte. */
  readonly keyText: string;
  /** Values of the key columns, in the order of the mapping. */
  readonly keyValues: readonly ColumnValue[];
  /** Whether the row is to be deleted. */
  readonly isRemoval: boolean;
  /** Whether the record has no value: what compaction leaves of a delete, which stands behind the event that says more. */
  readonly isTombstone: boolean;
  /** Values of the other columns, in the order of the mapping; null when the row is to be deleted. */
  readonly values: readonly ColumnValue[] | null;
  /** Orders the events of a key, microseconds; undefined only for a bare tombstone that does not carry it. */
  readonly version: bigint | undefined;
  /** The id of its command, if that had one (rule 22). */
  readonly commandId?: string | undefined;
  /** Where the record stands in its partition, for messages. */
  readonly offset: number;
}

/** The text of a header, of repeated ones the last; empty where there is none. */
export function headerText(header: HeaderValue): string {
  const one = typeof header === 'string' || Buffer.isBuffer(header) ? header : header?.at(-1);
  return one === undefined ? '' : one.toString();
}

function commandIdOf({ headers }: EventRecord): string | undefined {
  return headerText(headers?.[ACK_HEADER]) || undefined;
}

/** An event whose values were read already. */
export class ReadEvent implements DecodedEvent {
  readonly key: Buffer;
  readonly keyValues: readonly ColumnValue[];
  readonly isTombstone: boolean;
  readonly values: readonly ColumnValue[] | null;
  readonly version: bigint | undefined;
  readonly offset: number;
  readonly commandId: string | undefined;

  constructor(
    record: EventRecord,
    keyValues: readonly ColumnValue[],
    values: readonly ColumnValue[] | null,
    version: bigint | undefined,
  ) {
    const { bytes, keyStart, keyEnd, valueStart, offset } = record;
    this.key = bytes.subarray(keyStart, keyEnd);
    this.commandId = commandIdOf(record);
    this.keyValues = keyValues;
    this.isTombstone = valueStart < 0;
    this.values = values;
    this.version = version;
    this.offset = offset;
  }

  get keyText(): string {
    return this.key.toString('latin1');
  }

  get isRemoval(): boolean {
    return this.values === null;
  }
}

/**
 * An event that was checked, and whose values are read from the record's bytes whenever they are asked for: while a batch
 * waits for its database, an event is one small object, and values are garbage as soon as a statement holds them.
 */
export class WalkedRecord implements DecodedEvent {
  /** −1 when the row is to be deleted. */
  readonly rowAt: number;
  readonly versionAt: number;
  readonly #record: EventRecord;
  readonly #keys: KeyWalker;
  readonly #events: EventWalker;

  constructor(record: EventRecord, rowAt: number, versionAt: number, keys: KeyWalker, events: EventWalker) {
    this.rowAt = rowAt;
    this.versionAt = versionAt;
    this.#record = record;
    this.#keys = keys;
    this.#events = events;
  }

  /** Whether both were written with the same schemas. */
  isReadAs(other: WalkedRecord): boolean {
    return this.#keys === other.#keys && this.#events === other.#events;
  }

  /** Another event that was written with the same schemas. */
  readLike(record: EventRecord, rowAt: number, versionAt: number): WalkedRecord {
    return new WalkedRecord(record, rowAt, versionAt, this.#keys, this.#events);
  }

  get offset(): number {
    return this.#record.offset;
  }

  get key(): Buffer {
    const { bytes, keyStart, keyEnd } = this.#record;
    return bytes.subarray(keyStart, keyEnd);
  }

  get keyText(): string {
    const { bytes, keyStart, keyEnd } = this.#record;
    return bytes.toString('latin1', keyStart, keyEnd);
  }

  get keyValues(): readonly ColumnValue[] {
    const { bytes, keyStart, keyEnd } = this.#record;
    return checked(this.#keys.read(bytes, keyStart + FRAME, keyEnd));
  }

  /** Read anew each time. */
  get commandId(): string | undefined {
    return commandIdOf(this.#record);
  }

  get isTombstone(): boolean {
    return false;
  }

  get isRemoval(): boolean {
    return this.rowAt < 0;
  }

  get values(): readonly ColumnValue[] | null {
    const { bytes, valueEnd } = this.#record;
    return this.rowAt < 0 ? null : checked(this.#events.row(bytes, this.rowAt, valueEnd));
  }

  get version(): bigint {
    const { bytes, valueEnd } = this.#record;
    return BigInt(this.#events.version(bytes, this.versionAt, valueEnd));
  }
}

/** What was checked before cannot fail now. */
function checked(values: WalkedColumns): readonly ColumnValue[] {
  if (isComplete(values)) return values;
  throw new AfterwriteError('INTERNAL', 'A value that could be read once cannot be read again');
}

/** Bytes of Confluent's framing, before the datum. */
export const FRAME = 5;
