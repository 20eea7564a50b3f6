import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecodedCommand } from '../../../source-connector/decode/mutation.ts';
import { RdbDecoder } from '../../../source-connector/decode/rdb.ts';
import { CommandDecoder } from '../../../source-connector/decode/stream.ts';
import { bytes, listpack, listpackString, rdbLength, rdbString } from '../../support/rdb-bytes.ts';
import { resp } from '../../support/resp-bytes.ts';

const HUGE = 512 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
/** What a decoder may take beyond what it had, whatever passes through it. */
const GROWTH_MAX = 32 * 1024 * 1024;

const captures = (source: Buffer, start: number): boolean => source[start] === 'p'.charCodeAt(0);

/** So many bytes in pieces of a socket's size. */
function* huge(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= CHUNK.length) yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
}

/** The most memory that was taken while a decoder worked, beyond what there was before. */
class Growth {
  readonly #before = Growth.#now();
  most = 0;
  #looks = 0;

  look(): void {
    if (this.#looks++ % 64 === 0) this.most = Math.max(this.most, Growth.#now() - this.#before);
  }

  static #now(): number {
    return process.memoryUsage().rss;
  }
}

/** The values of other types, and of hashes that nobody captures, by name: each of more than 512 MB. */
const values: Readonly<Record<string, () => Generator<Buffer>>> = {
  string: function* () {
    yield bytes(0, rdbString('other'), rdbLength(HUGE));
    yield* huge(HUGE);
  },
  'compressed string': function* () {
    // 512 MB as they stand in the file; what they would decompress to does not matter.
    yield bytes(0, rdbString('other'), 0xc3, rdbLength(HUGE), rdbLength(HUGE));
    yield* huge(HUGE);
  },
  'list with one large element': function* () {
    yield bytes(18, rdbString('other'), rdbLength(1), rdbLength(1), rdbLength(HUGE));
    yield* huge(HUGE);
  },
  'set of large elements': function* () {
    yield bytes(2, rdbString('other'), rdbLength(8));
    for (let n = 0; n < 8; n++) {
      yield rdbLength(HUGE / 8);
      yield* huge(HUGE / 8);
    }
  },
  'sorted set of many members': function* () {
    const members = 16;
    const piece = bytes(rdbLength(16_000), Buffer.alloc(16_000, 'm'), Buffer.alloc(8));
    const group = Buffer.concat(Array.from({ length: members }, () => piece));
    const groups = Math.ceil(HUGE / group.length);
    yield bytes(5, rdbString('other'), rdbLength(groups * members));
    for (let n = 0; n < groups; n++) yield group;
  },
  'hash that is not captured': function* () {
    yield bytes(4, rdbString('other'), rdbLength(1), rdbString('field'), rdbLength(HUGE));
    yield* huge(HUGE);
  },
  'string under a captured key': function* () {
    yield bytes(0, rdbString('p:string'), rdbLength(HUGE));
    yield* huge(HUGE);
  },
};

for (const [name, value] of Object.entries(values)) {
  test(`a ${name} of 512 MB in a snapshot is passed over as a stream`, () => {
    const small = listpack(listpackString('name'), listpackString('Ann'));
    const decoder = new RdbDecoder({ captures });
    const growth = new Growth();
    const told: string[] = [];
    let fed = 0;
    const feed = (chunk: Buffer): void => {
      decoder.push(chunk);
      fed += chunk.length;
      for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
        told.push(event.kind === 'hash' ? event.key.toString() : event.kind);
        if (event.kind === 'end') break;
      }
      growth.look();
    };

    feed(bytes('REDIS0011', 16, rdbString('p:before'), rdbString(small)));
    for (const chunk of value()) feed(chunk);
    // The checksum is disabled, but computed all the same.
    feed(bytes(16, rdbString('p:behind'), rdbString(small), 0xff, Buffer.alloc(8)));

    assert.deepEqual(told, ['p:before', 'p:behind', 'end']);
    assert.ok(fed > HUGE && decoder.position === fed, `${decoder.position} of ${fed} bytes`);
    assert.ok(growth.most < GROWTH_MAX, `${growth.most} bytes more than before`);
  });
}

const header = (...words: readonly string[]): Buffer => {
  const command = resp(...words).toString();
  return Buffer.from(command.replace(/^\*\d+/, `*${words.length + 1}`) + `$${HUGE}\r\n`);
};

/** Commands of one argument of 512 MB, and what they do to captured hashes. */
const commands: readonly { readonly words: readonly string[]; readonly does: readonly string[] }[] = [
  { words: ['SET', 'other'], does: [] },
  { words: ['APPEND', 'other'], does: [] },
  { words: ['RPUSH', 'other', 'small'], does: [] },
  { words: ['ZADD', 'other', '1'], does: [] },
  { words: ['HSET', 'other', 'field'], does: [] },
  { words: ['RESTORE', 'other', '0'], does: [] },
  { words: ['PUBLISH', 'channel'], does: [] },
  // It overwrites whatever the key held.
  { words: ['SET', 'p:hash'], does: ['SET remove p:hash'] },
  { words: ['MSET', 'other', 'x', 'p:hash'], does: ['MSET remove p:hash'] },
];

for (const { words, does } of commands) {
  test(`a ${words.join(' ')} of 512 MB in the stream is passed over as a stream, at its exact offset`, () => {
    const decoder = new CommandDecoder({ captures, ignoreCommands: new Set(), offset: 1000, db: 0 });
    const growth = new Growth();
    const told: string[] = [];
    let offset = 1000;
    const tell = ({ name, mutations, start, end }: DecodedCommand): void => {
      for (const one of mutations) told.push(`${name} ${one.kind} ${'key' in one ? one.key.toString() : ''}`);
      told.push(`${start}-${end}`);
    };
    const feed = (chunk: Buffer): void => {
      decoder.push(chunk);
      offset += chunk.length;
      for (let command = decoder.next(); command !== undefined; command = decoder.next()) tell(command);
      growth.look();
    };

    feed(header(...words));
    for (const chunk of huge(HUGE)) feed(chunk);
    feed(Buffer.from('\r\n'));
    const end = offset;
    feed(resp('HSET', 'p:1', 'name', 'Ann'));

    const command = does.length > 0 ? [...does, `1000-${end}`] : [];
    assert.deepEqual(told, [...command, 'HSET set p:1', `${end}-${offset}`]);
    assert.deepEqual([decoder.offset, decoder.buffered], [offset, 0]);
    assert.ok(growth.most < GROWTH_MAX, `${growth.most} bytes more than before`);
  });
}
