/** The slots of a Redis cluster. */
export const SLOTS = 16384;

/** Slots from the first to the last, both included. */
export type SlotRange = readonly [first: number, last: number];

const LEFT_BRACE = 123;
const RIGHT_BRACE = 125;

/** CRC-16 (XMODEM: polynomial 1021, start 0, not reflected), by the high byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/**
 * The cluster slot of a key: of what stands between its first `{` and the next `}`, if that is not empty, else of all of
 * it. Source: Redis Cluster specification ("123456789" has the CRC 31c3).
 */
export function keySlot(key: Buffer): number {
  let start = 0;
  let end = key.length;
  const open = key.indexOf(LEFT_BRACE);
  const close = open < 0 ? -1 : key.indexOf(RIGHT_BRACE, open + 1);
  if (close > open + 1) {
    start = open + 1;
    end = close;
  }
  let crc = 0;
  for (let i = start; i < end; i++) crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ (key[i] ?? 0)] ?? 0);
  return crc % SLOTS;
}

/** Whether a key's slot is in one of the ranges. */
export function isInSlots(key: Buffer, ranges: readonly SlotRange[]): boolean {
  const slot = keySlot(key);
  return ranges.some(([first, last]) => slot >= first && slot <= last);
}
