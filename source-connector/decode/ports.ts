import type { DecodedCommand } from './mutation.ts';

/** Whether a key is captured: some mapping's prefix stands at its beginning. Bounds into `bytes`. */
export type CapturesKey = (bytes: Buffer, start: number, end: number) => boolean;

/** Turns the command stream into commands with exact offsets. Chunks may be cut at any byte. */
export interface StreamDecoder {
  /** Gives the decoder more bytes of the stream; it keeps what it has not consumed yet. */
  push(chunk: Buffer): void;
  /** The next command that matters, or undefined when more bytes are needed. The object is reused. */
  next(): DecodedCommand | undefined;
  /** Offset after the last consumed command (commands that do not matter are consumed too). */
  readonly offset: number;
  /** The database selected after the last consumed command. */
  readonly db: number;
  /** Whether the last consumed command stands inside a MULTI. */
  readonly inTransaction: boolean;
  /** Bytes held that are not consumed yet. */
  readonly buffered: number;
}

/** What an RDB snapshot tells. `fields` is packed (packed-hash.ts). Views are valid until the next call. */
export type SnapshotEvent =
  | {
      readonly kind: 'hash';
      readonly db: number;
      readonly key: Buffer;
      readonly fields: Buffer;
      readonly expireAt: number;
    }
  | { readonly kind: 'aux'; readonly name: string; readonly value: Buffer }
  /** The end, after the checksum was found right (or is disabled in the file). */
  | { readonly kind: 'end'; readonly checksum: 'verified' | 'disabled' };

/** Reads an RDB file from chunks cut anywhere. Unknown opcodes and types are errors with the byte position. */
export interface SnapshotDecoder {
  push(chunk: Buffer): void;
  /** The next event, or undefined when more bytes are needed. */
  next(): SnapshotEvent | undefined;
  /** Bytes of the RDB consumed so far. */
  readonly position: number;
  /** After 'end': the bytes that were pushed but do not belong to the RDB. */
  rest(): Buffer;
}
