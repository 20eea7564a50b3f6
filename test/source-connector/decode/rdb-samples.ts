import { bytes, listpack, type Part, rdbLength, rdbString } from '../../support/rdb-bytes.ts';

export const str = rdbString;
export const AUX = 250;
export const EXPIRE_MS = 252;
export const SELECT = 254;

/** A hash of type 4 with one field. */
export function hash(key: string, name = 'f', value = 'v'): Buffer {
  return bytes(4, str(key), 1, str(name), str(value));
}

/** A value type, a key that is called like it, and the value. */
export function entry(type: number, ...value: readonly Part[]): Buffer {
  return bytes(type, str(`t${type}`), ...value);
}

export const id = bytes(0x81, Buffer.alloc(8, 0xff));
export const moduleOpcodes = bytes(1, 7, 2, id, 3, Buffer.alloc(4), 4, Buffer.alloc(8), 5, str('x'), 0);

export function stream(type: number): Buffer {
  const pending = bytes(1, Buffer.alloc(24), 1);
  const consumer = bytes(1, str('c'), Buffer.alloc(type >= 21 ? 16 : 8), 1, Buffer.alloc(16));
  const nacked = type === 27 ? bytes(1, Buffer.alloc(16)) : Buffer.alloc(0);
  const group = bytes(str('g'), 1, 1, type >= 19 ? id : '', pending, consumer, nacked);
  const producers = type >= 26 ? bytes(10, 10, 1, str('p'), 1, str('iid'), 1, 1, 5, 6) : Buffer.alloc(0);
  return entry(type, 1, str('id'), str('listpack'), 1, id, 3, type >= 19 ? [1, 2, 3, 4, 5] : [], 1, group, producers);
}

/** All value types that hold no hash, up to RDB version 11, with a count of the largest kind in some. */
export const others = [
  entry(0, str('plain')),
  entry(0, [0xc0, 5]),
  entry(0, [0xc1, 5, 0]),
  entry(0, [0xc2, 5, 0, 0, 0]),
  entry(0, [0xc3, 4, 3], [2, 97, 98, 99]),
  entry(1, 2, str('a'), str('b')),
  entry(2, rdbLength(70), ...Array.from({ length: 70 }, () => str('member'))),
  entry(3, 4, str('a'), 3, '1.5', str('b'), 253, str('c'), 254, str('d'), 255),
  entry(5, 1, str('a'), Buffer.alloc(8)),
  entry(7, id, moduleOpcodes),
  ...[10, 11, 12, 17, 20].map((type) => entry(type, str(Buffer.alloc(300, type)))),
  entry(14, 2, str('a'), str('b')),
  entry(18, 2, 1, str('a'), 2, str('b')),
  ...[15, 19, 21].map(stream),
];

/** Names a and b under the number 7. */
export const template = bytes(242, 7, 2, str('a'), str('b'));

/** A file with that template and a hash of type 30 with these entries. */
export function templated(...entries: readonly Buffer[]): Buffer {
  return bytes('REDIS0015', template, 30, str('k'), str(listpack(...entries)));
}
