import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(process.env['AFTERWRITE_FIXTURES'] ?? '', 'services', 'oracle-stand-in', 'golden');

/** For the `skip` option of a test: the reason when the recorded packets are not there. */
export const skipWithoutGolden: string | false = existsSync(folder)
  ? false
  : 'AFTERWRITE_FIXTURES names no folder with services/oracle-stand-in/golden/ in it';

/** Packets between a client and a real server, in the order in which they were sent. */
export interface Recording {
  readonly sent: readonly Buffer[];
  readonly received: readonly Buffer[];
}

const header = 'TNSCASS\0'.length + 1;

/** recording := "TNSCASS" 0 version:1 (direction:1 time:8le length:4le byte*)*      1 was sent, 2 received */
export function recording(name: string): Recording {
  const bytes = readFileSync(join(folder, `${name}.tns-cassette`));
  const chunks: [direction: number, bytes: Buffer][] = [];
  for (let at = header; at < bytes.length;) {
    const length = bytes.readUInt32LE(at + 9);
    chunks.push([bytes.readUInt8(at), bytes.subarray(at + 13, at + 13 + length)]);
    at += 13 + length;
  }
  const of = (wanted: number): Buffer[] =>
    chunks.filter(([direction]) => direction === wanted).map(([, chunk]) => chunk);
  return { sent: of(1), received: of(2) };
}

/** A single message or packet, which stands as hexadecimal digits. */
export function recordedBytes(name: string): Buffer {
  return Buffer.from(readFileSync(join(folder, `${name}.hex`), 'latin1').trim(), 'hex');
}
