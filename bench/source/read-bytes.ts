import { closeSync, openSync, readSync } from 'node:fs';
import { beginsWith } from '../../source-connector/bytes.ts';
import type { CapturesKey } from '../../source-connector/decode/ports.ts';
import { RdbDecoder } from '../../source-connector/decode/rdb.ts';
import { CommandDecoder } from '../../source-connector/decode/stream.ts';
import { prefix } from './make-bytes.ts';
import { readBytesTask, type ReadBytesResult, type ReadBytesTask } from './read-task.ts';

/** As the socket of a link does: reads of at most so many bytes, into slabs that are not written again. */
const slabBytes = 256 * 1024;
const chunkBytes = 64 * 1024;

const keyPrefix = Buffer.from(`${prefix}:`);
const captures: CapturesKey = (bytes, start, end) => beginsWith(bytes, start, end, keyPrefix);

/** Takes chunks, and says how many items there were. */
interface Taker {
  take(chunk: Buffer): void;
  readonly items: number;
}

class Nobody implements Taker {
  items = 0;
  take(chunk: Buffer): void {
    if (chunk.length > 0) this.items = 1;
  }
}

class Snapshot implements Taker {
  items = 0;
  readonly #decoder = new RdbDecoder({ captures });
  take(chunk: Buffer): void {
    this.#decoder.push(chunk);
    for (let event = this.#decoder.next(); event !== undefined; event = this.#decoder.next()) {
      if (event.kind === 'hash') this.items++;
      if (event.kind === 'end') return;
    }
  }
}

class Stream implements Taker {
  items = 0;
  readonly #decoder = new CommandDecoder({ captures, ignoreCommands: new Set(), offset: 0, db: 0 });
  take(chunk: Buffer): void {
    this.#decoder.push(chunk);
    while (this.#decoder.next() !== undefined) this.items++;
  }
}

const takers = { nobody: () => new Nobody(), snapshot: () => new Snapshot(), stream: () => new Stream() };

function readOnce(file: string, taker: Taker): number {
  const handle = openSync(file, 'r');
  let slab = Buffer.allocUnsafeSlow(slabBytes);
  let used = 0;
  let bytes = 0;
  for (;;) {
    if (used === slabBytes) {
      slab = Buffer.allocUnsafeSlow(slabBytes);
      used = 0;
    }
    const read = readSync(handle, slab, used, chunkBytes, null);
    if (read === 0) break;
    taker.take(slab.subarray(used, used + read));
    used = read < chunkBytes ? slabBytes : used + read;
    bytes += read;
  }
  closeSync(handle);
  return bytes;
}

function readBytes({ file, by, passes }: ReadBytesTask): ReadBytesResult {
  // The first pass brings the file into memory and has the code compiled.
  readOnce(file, takers[by]());
  const result = { bytes: 0, items: 0, seconds: 0 };
  const from = performance.now();
  for (let pass = 0; pass < passes; pass++) {
    const taker = takers[by]();
    result.bytes += readOnce(file, taker);
    result.items += taker.items;
  }
  result.seconds = (performance.now() - from) / 1000;
  return result;
}

const [argument = ''] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify(readBytes(readBytesTask.parse(JSON.parse(argument))))}\n`);
