import fc from 'fast-check';
import {
  bytes,
  i64,
  listpack,
  listpackString,
  rdbFile,
  rdbLength,
  rdbString,
  ziplist,
} from '../../support/rdb-bytes.ts';
import { resp } from '../../support/resp-bytes.ts';

/** How bytes are damaged, and where they are cut. */
export interface Damage {
  readonly changes: readonly (readonly [
    where: number,
    how: 'set' | 'insert' | 'remove' | 'repeat' | 'promise',
    byte: number,
  ])[];
  /** Share of the bytes that is left; 1 for all. */
  readonly left: number;
  readonly cut: number;
}

export const damage: fc.Arbitrary<Damage> = fc.record({
  changes: fc.array(
    fc.tuple(
      // Without fast-check's bias to the ends, where most damage would meet the first byte.
      fc.noBias(fc.nat(0xffffff)).map((share) => share / 0x1000000),
      fc.constantFrom(
        'set' as const,
        'set' as const,
        'insert' as const,
        'remove' as const,
        'repeat' as const,
        'promise' as const,
      ),
      // Beside any byte, those that mean something: lengths, encodings, opcodes.
      fc.oneof(
        fc.nat(255),
        fc.constantFrom(0, 1, 0x3f, 0x80, 0x81, 0xc0, 0xc3, 0xf0, 0xf4, 0xfe, 0xff, 10, 13, 36, 42),
      ),
    ),
    { maxLength: 4 },
  ),
  left: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
  cut: fc.constantFrom(1, 2, 3, 7, 50, 1000),
});

/** The bytes with their damage, behind the first `sound` ones. */
export function damaged(input: Buffer, sound: number, { changes, left }: Damage): Buffer {
  let result = input;
  for (const [where, how, byte] of changes) {
    const at = sound + Math.floor(where * Math.max(result.length - sound, 0));
    if (how === 'promise') {
      // A length of half a gigabyte and more.
      result = Buffer.concat([result.subarray(0, at), bytes(0x80, byte | 32, 0, 0, 0), result.subarray(at + 1)]);
      continue;
    }
    const rest = how === 'insert' ? at : at + 1;
    const middle = how === 'repeat' ? result.subarray(at, at + byte) : Buffer.from(how === 'remove' ? [] : [byte]);
    const again = how === 'repeat' ? result.subarray(at) : result.subarray(rest);
    result = Buffer.concat([result.subarray(0, at), middle, again]);
  }
  return result.subarray(0, Math.ceil(left * result.length));
}

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.string({ minLength: 60, maxLength: 300 }));

const string = fc.oneof(
  { weight: 5, arbitrary: text.map((content) => rdbString(content)) },
  fc.constantFrom(
    bytes(0xc3, 9, 42, 1, 'bb', 0xe0, 29, 1, 1, 'bb'),
    bytes(0xc0, 5),
    bytes(0xc1, 5, 0),
    bytes(0xc2, 5, 0, 0, 0),
    bytes(0xc3, 9, 42, 1, 'bb', 0xe0, 29, 1, 1, 'bb'),
  ),
);

const entries = fc.array(
  fc.oneof(
    text.map(listpackString),
    fc.constantFrom(bytes(1), bytes(0xdf, 0xff), bytes(0xf1, 1, 2), bytes(0xf4, i64(5n))),
  ),
  { maxLength: 12 },
);
const evenEntries = entries.map((list) => list.slice(list.length % 2));
const tripleEntries = entries.map((list) => list.slice(list.length % 3));
const ziplistEntries = fc
  .array(fc.constantFrom(bytes(1, 'a'), bytes(0xf3), bytes(0xd0, 1, 2, 3, 4), bytes(0xfe, 9)), { maxLength: 12 })
  .map((list) => list.slice(list.length % 2));

const listOf = (item: fc.Arbitrary<Buffer>, each: number): fc.Arbitrary<Buffer> =>
  fc
    .array(item, { maxLength: 12 })
    .map((items) =>
      bytes(rdbLength(Math.floor(items.length / each)), ...items.slice(0, items.length - (items.length % each))),
    );

const joined = (...parts: readonly fc.Arbitrary<Buffer>[]): fc.Arbitrary<Buffer> =>
  fc.tuple(...parts).map((all) => Buffer.concat(all));

const ofEight = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((eight) => Buffer.from(eight));

/** Values of the types that all servers share. */
const shared: readonly fc.Arbitrary<Buffer>[] = [
  ...[0, 10, 11, 12, 17, 20].map((type) => string.map((content) => valueOf(type, content))),
  ...[1, 2, 14].map((type) => listOf(string, 1).map((content) => valueOf(type, content))),
  listOf(string, 2).map((content) => valueOf(4, content)),
  listOf(string, 2).map((content) => valueOf(4, content)),
  listOf(joined(string, ofEight), 1).map((content) => valueOf(5, content)),
  listOf(joined(fc.constant(bytes(1)), string), 1).map((content) => valueOf(18, content)),
  evenEntries.map((list) => valueOf(16, rdbString(listpack(...list)))),
  ziplistEntries.map((list) => valueOf(13, rdbString(ziplist(...list)))),
  fc.constant(valueOf(9, rdbString(bytes(2, 1, 'a', [2, 3], '17', [0, 0, 0], 1, 'n', [1, 0], 'v', 0xff)))),
  fc.constant(valueOf(7, bytes(1, 1, 7, 2, 9, 3, Buffer.alloc(4), 4, Buffer.alloc(8), 5, rdbString('x'), 0))),
  fc.constant(valueOf(15, bytes(1, rdbString('id'), rdbString('lp'), 1, 1, 1, 1, rdbString('g'), 1, 1, 0, 0))),
];

/** Of Redis 8.10, and of Valkey 9. */
const ofRedis: readonly fc.Arbitrary<Buffer>[] = [
  tripleEntries.map((list) => valueOf(23, rdbString(listpack(...list)))),
  tripleEntries.map((list) => valueOf(25, bytes(i64(5n), rdbString(listpack(...list))))),
  listOf(joined(fc.constant(bytes(5)), string, string), 1).map((content) => valueOf(24, bytes(i64(5n), content))),
  listOf(joined(fc.constant(bytes(5)), string, string), 1).map((content) => valueOf(22, content)),
  fc.constant(valueOf(30, rdbString(listpack(bytes(7), bytes(1), bytes(2))))),
  joined(string, string).map((content) => valueOf(32, bytes(7, content))),
  string.map((content) => valueOf(28, bytes(2, 1, 5, 0, 0, content, 1, 1, Buffer.alloc(8)))),
];
const ofValkey = listOf(joined(string, string, ofEight), 1).map((content) => valueOf(22, content));
const template = bytes(242, 7, 2, rdbString('a'), rdbString('b'));

function valueOf(type: number, content: Buffer): Buffer {
  return bytes(type, rdbString('key'), content);
}

const opcode = fc.oneof(
  string.map((content) => bytes(250, rdbString('aux'), content)),
  fc.constantFrom(
    bytes(254, 3),
    bytes(253, 1, 2, 3, 4),
    bytes(252, i64(4102444800000n)),
    bytes(251, 1, 1),
    bytes(249, 5),
    bytes(248, 5),
    bytes(247, 1, 1, 5, 0),
    bytes(245, rdbString('f')),
    bytes(244, 1, 2, 3),
  ),
);

/** RDB files, whole and right as far as their items are; without a checksum, which would find all damage at the end. */
export const rdbFiles: fc.Arbitrary<Buffer> = fc.oneof(
  rdbFilesOf('REDIS0011', bytes(), fc.oneof(...shared)),
  rdbFilesOf('REDIS0015', template, fc.oneof(...shared, ...ofRedis)),
  rdbFilesOf('REDIS0015', template, fc.oneof(...ofRedis)),
  rdbFilesOf('VALKEY080', bytes(243, rdbString('x'.repeat(40)), 1, 5, 6), fc.oneof(ofValkey, ...shared)),
);

function rdbFilesOf(magic: string, first: Buffer, value: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc
    .array(fc.oneof({ weight: 3, arbitrary: value }, opcode), { minLength: 1, maxLength: 8, size: 'max' })
    .map((parts) => Buffer.concat([rdbFile(magic, first, ...parts).subarray(0, -8), Buffer.alloc(8)]));
}

const payload = fc
  .tuple(fc.oneof(...shared, ...ofRedis, ofValkey), fc.constantFrom(11, 12, 15, 15, 80))
  .map(([content, version]) => bytes(content.subarray(0, 1), content.subarray(5), version, 0, Buffer.alloc(8)));

const word = fc.oneof(
  fc.constantFrom('p:1', 'p:2', 'other', 'FIELDS', 'STORE', '1', '2', '-1', 'PXAT', 'ABSTTL', 'RANGES', 'FLUSHSLOT'),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ minLength: 50, maxLength: 200 }),
);

const COMMANDS = [
  ['HSET', 'p:1', 'a', '1'],
  ['HSETEX', 'p:1', 'FIELDS', '1', 'a', '1'],
  ['HGETDEL', 'p:1', 'FIELDS', '1', 'a'],
  ['HDEL', 'p:1', 'a'],
  ['HINCRBY', 'p:1', 'a', '5'],
  ['MSETEX', '1', 'p:1', 'x'],
  ['MSET', 'p:1', 'x'],
  ['SORT', 'p:1', 'STORE', 'p:2'],
  ['COPY', 'p:1', 'p:2', 'DB', '5'],
  ['PEXPIREAT', 'p:1', '4102444800000'],
  ['TRIMSLOTS', 'RANGES', '1', '0', '5'],
  ['CLUSTER', 'FLUSHSLOT', '5'],
  ['MULTI'],
  ['EXEC'],
  ['SELECT', '3'],
  ['PING'],
  ['NEW.SET', 'p:1'],
] as const;

const command = fc.oneof(
  fc.constantFrom(...COMMANDS).map((words) => resp(...words)),
  fc
    .tuple(fc.constantFrom(...COMMANDS), fc.array(word, { maxLength: 5 }))
    .map(([[name], words]) => resp(name, ...words)),
  payload.map((content) => resp('RESTORE', 'p:1', 0, content)),
  fc.constant(Buffer.from('\n')),
);

/** Replication streams. */
export const streams: fc.Arbitrary<Buffer> = fc
  .array(command, { minLength: 1, maxLength: 10, size: 'max' })
  .map((list) => Buffer.concat(list));
