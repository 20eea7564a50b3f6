import { oraType, type EngineValue } from './oracle-values.ts';
import { OraError } from './ora-errors.ts';
import { lobChunk } from './query-answer.ts';
import type { TtcReader, TtcWriter } from './ttc-codec.ts';

/** A locator has 40 bytes: its length without itself, and somewhere in it who it is. */
const locatorBytes = 40;
const idAt = 20;

const operation = { length: 0x0001, read: 0x0002, write: 0x0040, createTemporary: 0x0110, chunkSize: 0x4000 } as const;
const writeData = 14;

interface Lob {
  readonly type: number;
  /** In the order in which it was written. */
  readonly parts: Buffer[];
}

/** The LOBs of a session: those that it wrote, and those that its queries gave. They go with it, or when it frees them. */
export class Lobs {
  readonly #lobs = new Map<number, Lob>();
  #next = 1;

  keep(type: number, value: Buffer): Buffer {
    const id = this.#next++;
    this.#lobs.set(id, { type, parts: value.length === 0 ? [] : [value] });
    const locator = Buffer.alloc(locatorBytes);
    locator.writeUInt16BE(locatorBytes - 2);
    locator.writeUInt8(8, 6);
    locator.writeUInt32BE(id, idAt);
    return locator;
  }

  /** @returns null for an empty one, as a bind of the engine: it has no empty LOBs */
  value(locator: Buffer): EngineValue {
    const { type, parts } = this.#find(locator);
    const bytes = Buffer.concat(parts);
    if (bytes.length === 0) return null;
    return type === oraType.clob ? { as: 'text', value: bytes.toString() } : { as: 'bytes', value: bytes };
  }

  /** Frees the LOBs whose locators stand one behind another. */
  free(locators: Buffer): void {
    for (let at = 0; at + locatorBytes <= locators.length; at += locatorBytes) {
      this.#lobs.delete(locators.readUInt32BE(at + idAt));
    }
  }

  /**
   *   operation := p ub(locator's length) p n n n p p p ub(operation) p p ub(offset) ub(second offset) p zeros:6
   *                locator [ ub(charset) ] [ 14 bytes ] [ ub(amount) ]
   *   answer    := [ 14 bytes ] 8 locator [ ub(charset) 0 | ub(amount) ]
   *
   * Offsets count from 1, in bytes or in characters (as UTF-16 counts them).
   */
  answer(reader: TtcReader, writer: TtcWriter): void {
    reader.u8();
    const length = reader.ub();
    reader.skip('pnnnppp');
    const wanted = reader.ub();
    reader.skip('pp');
    const offset = reader.ub();
    const type = reader.ub();
    reader.raw(7);
    const locator = Buffer.from(reader.raw(length));
    switch (wanted) {
      case operation.createTemporary: {
        const charset = reader.ub();
        const made = Buffer.alloc(length);
        this.keep(type, Buffer.alloc(0)).copy(made);
        writer.u8(8).raw(made).ub(charset).u8(0);
        return;
      }
      case operation.write: {
        if (reader.u8() !== writeData) throw new Error('a LOB is written without data');
        this.#append(locator, offset, reader.bytes() ?? Buffer.alloc(0));
        writer.u8(8).raw(locator);
        return;
      }
      case operation.read: {
        this.#read(writer, locator, offset, reader.ub());
        return;
      }
      case operation.chunkSize: {
        reader.ub();
        writer.u8(8).raw(locator).ub(lobChunk);
        return;
      }
      case operation.length: {
        reader.ub();
        writer.u8(8).raw(locator).ub(this.#lengthOf(locator));
        return;
      }
      default:
        throw new OraError(3115, `the stand-in does not know the LOB operation 0x${wanted.toString(16)}`);
    }
  }

  #find(locator: Buffer): Lob {
    const lob = this.#lobs.get(locator.readUInt32BE(idAt));
    if (lob === undefined) throw new OraError(22922, 'nonexistent LOB value');
    return lob;
  }

  #lengthOf(locator: Buffer): number {
    const { type, parts } = this.#find(locator);
    const bytes = Buffer.concat(parts);
    return type === oraType.clob ? bytes.toString().length : bytes.length;
  }

  #append(locator: Buffer, offset: number, data: Buffer): void {
    if (offset !== this.#lengthOf(locator) + 1) throw new OraError(3115, 'the stand-in only appends to LOBs');
    this.#find(locator).parts.push(Buffer.from(data));
  }

  #read(writer: TtcWriter, locator: Buffer, offset: number, amount: number): void {
    const { type, parts } = this.#find(locator);
    const bytes = Buffer.concat(parts);
    if (type === oraType.clob) {
      const text = bytes.toString().slice(offset - 1, offset - 1 + amount);
      writer.u8(writeData).bytes(text).u8(8).raw(locator).ub(text.length);
      return;
    }
    const piece = bytes.subarray(offset - 1, offset - 1 + amount);
    writer.u8(writeData).bytes(piece).u8(8).raw(locator).ub(piece.length);
  }
}
