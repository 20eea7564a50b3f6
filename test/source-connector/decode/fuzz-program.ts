import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { z } from 'zod';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { cutEvery } from '../../support/cuts.ts';
import { readSnapshot } from '../../support/snapshot-reading.ts';
import { decoderOf, told } from '../../support/told.ts';
import { damage, damaged, rdbFiles, streams } from './fuzz-inputs.ts';

/** What an RDB file begins with: damaged, nothing of the file is read. */
const MAGIC = 9;
/** Memory that one input of a few kilobytes may take: the decoders' scratch, and what LZF can blow up. */
const MEMORY_MAX = 16 * 1024 * 1024;

const { what, seed, milliseconds } = z
  .object({ what: z.enum(['rdb', 'resp']), seed: z.number(), milliseconds: z.number() })
  .parse(workerData);

/** What comes out of bytes in these pieces: the same for all ways of cutting them, up to an error of the catalogue. */
function outcome(pieces: Iterable<Buffer>): string {
  const seen: string[] = [];
  try {
    if (what === 'resp') {
      const decoder = decoderOf({ ignoreCommands: new Set(['NEW.SET']) });
      for (const piece of pieces) seen.push(...told(decoder, [piece]));
      seen.push(`then ${decoder.offset}, ${decoder.buffered} held`);
    } else {
      const { hashes, aux, end, decoder } = readSnapshot(pieces, (key) => key.startsWith('k'));
      seen.push(JSON.stringify({ hashes, aux, end, at: end === undefined ? undefined : decoder.position }));
    }
  } catch (error) {
    if (!(error instanceof AfterwriteError)) throw error;
    assert.ok(CODES.has(error.code), error.message);
    return error.message;
  }
  return seen.join('\n');
}

const CODES = new Set(['RDB_CORRUPT', 'RDB_UNSUPPORTED', 'STREAM_CORRUPT', 'UNKNOWN_COMMAND', 'COMMAND_UNSUPPORTED']);

let runs = 0;
fc.assert(
  fc.property(what === 'rdb' ? rdbFiles : streams, damage, (whole, how) => {
    const input = damaged(whole, what === 'rdb' ? MAGIC : 0, how);
    // Told before: an input on which a decoder hangs is then the last one that was told.
    if (runs++ % 100 === 0) parentPort?.postMessage(runs);
    const before = process.memoryUsage().arrayBuffers;
    const expected = outcome([input]);
    assert.ok(process.memoryUsage().arrayBuffers - before < MEMORY_MAX, 'memory grew with what the bytes promise');
    assert.equal(outcome(cutEvery(input, how.cut)), expected);
  }),
  { seed, numRuns: 1e9, interruptAfterTimeLimit: milliseconds, markInterruptAsFailure: false },
);
parentPort?.postMessage(runs);
