import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { HARMLESS_COMMANDS } from '../../../source-connector/decode/harmless-commands.ts';
import { cutEvery } from '../../support/cuts.ts';
import { bytes, dumpPayload, rdbString } from '../../support/rdb-bytes.ts';
import { resp, respLines } from '../../support/resp-bytes.ts';
import { commandText, decoderOf, told } from '../../support/told.ts';

/** Each command by itself, in database 3; what it does without its name, and nothing as an empty text. */
function does(command: Buffer): string {
  const [text = '', ...more] = told(decoderOf({ db: 3 }), [command]);
  assert.deepEqual(more, []);
  return text.replace(/^[A-Z._-]+: /, '');
}

const table: readonly (readonly [command: string, effect: string])[] = [
  ['HSET p:1 a 1 b 2 a 3', '3/p:1 set a=1 b=2 a=3'],
  ['hset p:1 a 1', '3/p:1 set a=1'],
  ['HMSET p:1 a 1 b 2', '3/p:1 set a=1 b=2'],
  ['HSETNX p:1 a 1', '3/p:1 set a=1'],
  ['HSETEX p:1 FIELDS 2 a 1 b 2', '3/p:1 set a=1 b=2'],
  ['HSETEX p:1 FNX PXAT 4102444800000 FIELDS 1 FIELDS 1', '3/p:1 set FIELDS=1'],
  ['HSETEX p:1 KEEPTTL FIELDS 1 a 1', '3/p:1 set a=1'],
  ['HSETEX p:1 FIELDS 1 a 1 EX 5', '3/p:1 set a=1'],
  ['HSETEX p:1 FXX KEEPTTL FIELDS 1 a 1', '3/p:1 set a=1'],
  ['HSETEX p:1 PXAT 4102444800000 FNX FIELDS 2 a 1 PXAT 5', '3/p:1 set a=1 PXAT=5'],
  ['hsetex p:1 exat 4102444800 fields 1 FIELDS x', '3/p:1 set FIELDS=x'],
  ['HINCRBY p:1 a 5', '3/p:1 increment a by 5'],
  ['HINCRBY p:1 a -9223372036854775808', '3/p:1 increment a by -9223372036854775808'],
  ['HDEL p:1 a b', '3/p:1 unset a b'],
  ['HGETDEL p:1 FIELDS 2 a b', '3/p:1 unset a b'],
  ['HGETDEL p:1 FIELDS 1 FIELDS', '3/p:1 unset FIELDS'],
  ['HPEXPIREAT p:1 4102444800000 NX FIELDS 2 a b', ''],
  ['HEXPIRE p:1 5 FIELDS 1 a', ''],
  ['HPEXPIREAT p:1 4102444800000 FIELDS 1 a', ''],
  ['HPERSIST p:1 FIELDS 1 a', ''],
  ['HGETEX p:1 PERSIST FIELDS 1 a', ''],
  ['DEL p:1', '3/p:1 remove'],
  ['DEL other p:1 p:2', '3/p:1 remove, 3/p:2 remove'],
  ['UNLINK p:1 other', '3/p:1 remove'],
  ['DELEX p:1 IFEQ x', '3/p:1 remove'],
  ['DELIFEQ p:1 x', '3/p:1 remove'],
  ['SET p:1 v PXAT 5', '3/p:1 remove'],
  ['SET p:1 v IFEQ x GET', '3/p:1 remove'],
  ['SET p:1 v EX 5 GET', '3/p:1 remove'],
  ['SETEX p:1 5 v', '3/p:1 remove'],
  ['PSETEX p:1 5 v', '3/p:1 remove'],
  ['MSET other p:9 p:1 v p:2 p:8', '3/p:1 remove, 3/p:2 remove'],
  ['MSETEX 2 other v p:1 p:9 EX 5', '3/p:1 remove'],
  ['BITOP NOT p:1 p:2', '3/p:1 remove'],
  ['SINTERSTORE p:1 p:2', '3/p:1 remove'],
  ['SUNIONSTORE p:1 p:2', '3/p:1 remove'],
  ['SDIFFSTORE p:1 p:2', '3/p:1 remove'],
  ['ZINTERSTORE p:1 1 p:2', '3/p:1 remove'],
  ['ZUNIONSTORE p:1 1 p:2', '3/p:1 remove'],
  ['ZDIFFSTORE p:1 1 p:2', '3/p:1 remove'],
  ['ZRANGESTORE p:1 p:2 0 -1', '3/p:1 remove'],
  ['GEOSEARCHSTORE p:1 p:2 FROMLONLAT 0 0 BYRADIUS 1 m', '3/p:1 remove'],
  ['GEORADIUS p:2 0 0 1 m STORE p:1', '3/p:1 remove'],
  ['GEORADIUS p:2 0 0 1 m COUNT 5 ASC storedist p:1', '3/p:1 remove'],
  ['GEORADIUS p:2 0 0 1 m STORE STORE', ''],
  ['GEORADIUSBYMEMBER p:2 STORE 1 m STOREDIST p:1', '3/p:1 remove'],
  ['SORT p:2 STORE p:1', '3/p:1 remove'],
  ['SORT p:2 BY STORE LIMIT 0 5 STORE p:1 GET STORE GET # DESC ALPHA', '3/p:1 remove'],
  ['SORT p:2 STORE p:1 LIMIT 0 STORE', '3/p:1 remove'],
  ['SORT p:2 STORE p:1 STORE other', ''],
  ['EXPIREAT p:1 4102444800', '3/p:1 expire 4102444800000'],
  ['PEXPIREAT p:1 4102444800000 GT', '3/p:1 expire 4102444800000'],
  ['EXPIREAT p:1 4102444800 NX', '3/p:1 expire 4102444800000'],
  ['EXPIRE p:1 5', '3/p:1 expire in 5000'],
  ['pexpire p:1 5 GT', '3/p:1 expire in 5'],
  ['PEXPIREAT p:1 -5', '3/p:1 expire 1'],
  ['PERSIST p:1', '3/p:1 expire 0'],
  ['RENAME p:1 p:2', '3/p:1 rename to 3/p:2'],
  ['RENAME p:1 other', '3/p:1 rename to 3/other'],
  ['RENAMENX other p:1', '3/other rename to 3/p:1'],
  ['RENAME p:1 p:1', ''],
  ['RENAME other another', ''],
  ['MOVE p:1 5', '3/p:1 rename to 5/p:1'],
  ['COPY p:1 p:2', '3/p:1 copy to 3/p:2'],
  ['COPY other p:2 REPLACE', '3/other copy to 3/p:2'],
  ['COPY p:1 p:1 db 5 replace', '3/p:1 copy to 5/p:1'],
  ['COPY other another DB 5', ''],
  ['FLUSHDB', 'flush 3'],
  ['flushdb ASYNC', 'flush 3'],
  ['FLUSHALL', 'flush all'],
  ['SWAPDB 3 5', 'swap 3 5'],
  ['SWAPDB 3 3', ''],
  ['TRIMSLOTS RANGES 2 0 5 16383 16383', 'flush all slots 0-5 16383-16383'],
  ['SFLUSH 0 5 7 7', 'flush all slots 0-5 7-7'],
  ['SFLUSH 0 5 SYNC', 'flush all slots 0-5'],
  ['CLUSTER FLUSHSLOT 7', 'flush all slots 7-7'],
  ['cluster flushslot 7 ASYNC', 'flush all slots 7-7'],
  ['CLUSTER SYNCSLOTS CONF ASM-TASK x', ''],
  ['FT.CREATE i ON HASH PREFIX 1 p: SCHEMA a TEXT', ''],
  ['FT.DROPINDEX i', ''],
  ['FT.DROPINDEX i DD', '3/ unknown'],
  ['FT._DROPINDEXIFX i dd', '3/ unknown'],
  ['FT.DROP i', '3/ unknown'],
  ['FT.DROP i KEEPDOCS', ''],
  ['ping', ''],
  ['PUBLISH p:1 message', ''],
  ['REPLCONF GETACK *', 'getack'],
  ['REPLCONF ACK 5', ''],
];

test('each command does to captured keys what the server did', () => {
  for (const [command, effect] of table) assert.equal(does(respLines(command)), effect, command);
});

test('each command leaves alone what is not captured', () => {
  for (const [command] of table) {
    if (/^(FLUSH|SWAPDB|REPLCONF|TRIMSLOTS|SFLUSH|CLUSTER|FT.)/i.test(command)) continue;
    assert.equal(does(respLines(command.replaceAll('p:', 'o:'))), '', command);
  }
});

test('commands of other types and without data change no hash', () => {
  for (const name of HARMLESS_COMMANDS) assert.equal(does(resp(name.toLowerCase(), 'p:1', 'x')), '', name);
});

test('a RESTORE replaces a hash, removes what becomes something else, and is dropped for other keys', () => {
  const hash = dumpPayload(4, bytes(2, rdbString('a'), [0xc0, 1], rdbString('b'), rdbString('')));
  assert.equal(does(resp('RESTORE', 'p:1', 0, hash)), '3/p:1 replace a=1 b= until 0');
  assert.equal(
    does(resp('RESTORE', 'p:1', 4102444800000, hash, 'REPLACE', 'ABSTTL')),
    '3/p:1 replace a=1 b= until 4102444800000',
  );
  assert.equal(does(resp('RESTORE-ASKING', 'p:1', 0, hash, 'IDLETIME', 5, 'FREQ', 9)), '3/p:1 replace a=1 b= until 0');
  assert.equal(does(resp('RESTORE', 'p:1', 0, dumpPayload(2, bytes(1, rdbString('x'))), 'REPLACE')), '3/p:1 remove');
  assert.equal(
    does(resp('RESTORE', 'p:1', 5000, hash, 'REPLACE')),
    '3/p:1 replace a=1 b= until 0, 3/p:1 expire in 5000',
    'as a master before 7.0 may send it',
  );
  assert.equal(does(resp('RESTORE', 'other', 5, 'garbage')), '');
});

test('transactions, the selected database and GETACK come with exact offsets', () => {
  const parts = [
    'SELECT 2',
    'MULTI',
    'HSET p:1 a 1',
    'HSET other a 1',
    'SELECT 5',
    'HDEL p:1 a',
    'EXEC',
    'ping',
    'REPLCONF GETACK *',
    'SET p:2 x',
  ];
  const ends = new Map<string, number>();
  let offset = 1000;
  for (const part of parts) ends.set(part, (offset += respLines(part).length));
  const decoder = decoderOf({ offset: 1000 });
  decoder.push(respLines(...parts));
  const seen: unknown[] = [];
  for (let command = decoder.next(); command !== undefined; command = decoder.next()) {
    seen.push([commandText(command), command.db, command.end, decoder.inTransaction, decoder.db]);
    assert.equal(decoder.offset, command.end);
  }
  assert.deepEqual(seen, [
    ['MULTI: begin', 2, ends.get('MULTI'), true, 2],
    ['{ HSET: 2/p:1 set a=1 }', 2, ends.get('HSET p:1 a 1'), true, 2],
    ['{ HDEL: 5/p:1 unset a }', 5, ends.get('HDEL p:1 a'), true, 5],
    ['EXEC: commit', 5, ends.get('EXEC'), false, 5],
    ['REPLCONF: getack', 5, ends.get('REPLCONF GETACK *'), false, 5],
    ['SET: 5/p:2 remove', 5, ends.get('SET p:2 x'), false, 5],
  ]);
  assert.equal(decoder.offset, 1000 + respLines(...parts).length);
});

test('a decoder can begin inside a transaction', () => {
  const decoder = decoderOf({ inTransaction: true, db: 4 });
  assert.deepEqual(told(decoder, [respLines('HSET p:1 a 1', 'EXEC', 'HSET p:1 a 2')]), [
    '{ HSET: 4/p:1 set a=1 }',
    'EXEC: commit',
    'HSET: 4/p:1 set a=2',
  ]);
});

test('the mutations do not depend on where the stream is cut', () => {
  const stream = respLines('SELECT 1', ...table.map(([command]) => command), 'MULTI', 'HSET p:1 a 1', 'EXEC');
  const expected = told(decoderOf(), [stream]);
  for (const size of [1, 2, 3, 10, 100]) assert.deepEqual(told(decoderOf(), cutEvery(stream, size)), expected);
});

test('a command in no table stops the stream with its name, its offset and the remedy, unless it is ignored', () => {
  const decoder = decoderOf({ offset: 500, db: 2 });
  decoder.push(respLines('HSET p:1 a 1', 'new.set p:1 $ 5', 'HSET p:1 a 2'));
  assert.equal(decoder.next()?.name, 'HSET');
  const start = decoder.offset;
  for (let i = 0; i < 2; i++) {
    assert.throws(
      () => decoder.next(),
      (error) => {
        assert.ok(error instanceof AfterwriteError);
        assert.equal(error.code, 'UNKNOWN_COMMAND');
        assert.match(error.message, /"NEW.SET" is a command that is not known/);
        assert.match(error.message, /source.ignoreCommands/);
        assert.deepEqual(error.where, { offset: start, db: 2 });
        return true;
      },
    );
    assert.equal(decoder.offset, start);
  }
  const ignoring = decoderOf({ ignoreCommands: new Set(['New.Set', 'hset']) });
  assert.deepEqual(told(ignoring, [respLines('HSET p:1 a 1', 'new.set other $ 5', 'HSET p:1 a 2')]), [
    'HSET: 0/p:1 set a=1',
    'HSET: 0/p:1 set a=2',
  ]);
});

test('an ignored command never passes a captured key silently: each that it names is unknown after it', () => {
  const ignoring = decoderOf({ ignoreCommands: new Set(['new.mset']) });
  assert.deepEqual(told(ignoring, [respLines('new.mset 3 p:1 x other y p:2 z', 'HSET p:1 a 1')]), [
    'NEW.MSET: 0/p:1 unknown, 0/p:2 unknown',
    'HSET: 0/p:1 set a=1',
  ]);
});

test('commands that masters rewrite are not guessed at when they come as they are', () => {
  for (const command of ['HINCRBYFLOAT p:1 a 1.5', 'EVAL x 0', 'FCALL f 0', 'MIGRATE h 1 p:1 0 5']) {
    assert.throws(() => does(respLines(command)), { code: 'UNKNOWN_COMMAND' }, command);
  }
  for (const command of ['CLUSTER RESET', 'TRIMSLOTS ALL']) {
    assert.throws(() => does(respLines(command)), { code: 'COMMAND_UNSUPPORTED' }, command);
  }
});

test('a known command in an impossible form is an error with its name and offset', () => {
  const impossible: readonly (readonly [string, RegExp])[] = [
    ['HSET p:1', /HSET: 1 arguments do not make whole fields/],
    ['HSET p:1 a', /HSET: 2 arguments do not make whole fields/],
    ['HSET', /HSET: 0 arguments are too few/],
    ['HSETEX p:1 KEEPTTL', /HSETEX: FIELDS is missing/],
    ['HSETEX p:1 FIELDS 2 a 1', /HSETEX: 5 arguments do not make whole fields/],
    ['HINCRBY p:1 a', /HINCRBY: 2 arguments are too few/],
    ['HINCRBY p:1 a 1.5', /HINCRBY: argument 3 is not an integer/],
    ['HDEL p:1', /HDEL: 1 arguments are too few/],
    ['HGETDEL p:1 FIELDS 2 a', /HGETDEL: 4 arguments are too few/],
    ['MSETEX 5 p:1 v', /MSETEX: 3 arguments are too few/],
    ['PEXPIREAT p:1 soon', /PEXPIREAT: argument 2 is not an integer/],
    ['RENAME p:1', /RENAME: 1 arguments are too few/],
    ['EXPIRE p:1 soon', /EXPIRE: argument 2 is not an integer/],
    ['TRIMSLOTS RANGES 1 0', /TRIMSLOTS: 3 arguments are too few/],
    ['TRIMSLOTS RANGES 1 0 16384', /TRIMSLOTS: argument 4 is no slot/],
    ['TRIMSLOTS RANGES 0', /TRIMSLOTS: its slots are no pairs/],
    ['SFLUSH 1', /SFLUSH: its slots are no pairs/],
    ['CLUSTER FLUSHSLOT -1', /CLUSTER: argument 2 is no slot/],
    ['MOVE p:1 -1', /MOVE: argument 2 is not a database/],
    ['SORT p:1 STORE', /SORT: 2 arguments are too few/],
    ['SELECT x', /SELECT: argument 1 is not an integer/],
    ['SWAPDB 1', /SWAPDB: 1 arguments are too few/],
    ['EXEC', /EXEC: no transaction has begun/],
  ];
  for (const [command, message] of impossible) {
    const decoder = decoderOf({ offset: 50 });
    decoder.push(respLines('ping', command));
    assert.throws(() => decoder.next(), { code: 'STREAM_CORRUPT', message, where: { offset: 64, db: 0 } }, command);
  }
  assert.throws(() => told(decoderOf(), [respLines('MULTI', 'MULTI')]), /MULTI: a transaction inside a transaction/);
});

test('a damaged or unknown RESTORE payload is an error with the offset of the command', () => {
  const hash = dumpPayload(4, bytes(1, rdbString('a'), rdbString('1')));
  const damaged = Buffer.from(hash);
  damaged.writeUInt8(0x62, 3);
  const decoder = decoderOf({ offset: 70 });
  decoder.push(resp('RESTORE', 'p:1', 0, damaged));
  assert.throws(() => decoder.next(), {
    code: 'RDB_CORRUPT',
    where: { position: 8, 'byte of the blob': undefined, offset: 70, db: 0 },
  });
  assert.throws(() => does(resp('RESTORE', 'p:1', 0, dumpPayload(33, bytes(1)))), {
    code: 'RDB_UNSUPPORTED',
    message: /RESTORE: value type 33 of RDB version 10 is not known/,
  });
});

test("someone else's huge commands are not collected", () => {
  const before = respLines('SELECT 1');
  for (const head of ['SET other ', 'RESTORE other 0 ', 'RPUSH p:1 ', 'XADD s * ']) {
    const command = Buffer.from(resp(...head.trim().split(' '), Buffer.alloc(8 * 1024 * 1024, 'x'), 'last'));
    const decoder = decoderOf();
    let most = 0;
    for (const piece of cutEvery(Buffer.concat([before, command, respLines('HSET p:1 a 1')]), 64 * 1024)) {
      decoder.push(piece);
      for (let found = decoder.next(); found !== undefined; found = decoder.next()) {
        assert.equal(commandText(found), 'HSET: 1/p:1 set a=1');
        assert.equal(found.start, before.length + command.length);
      }
      most = Math.max(most, decoder.buffered);
      if (most === 0) assert.equal(decoder.offset, before.length);
    }
    assert.equal(decoder.offset, before.length + command.length + respLines('HSET p:1 a 1').length);
    assert.ok(most <= 1024 * 1024, `${head} held ${most} bytes`);
  }
  const mine = resp('HSET', 'p:1', 'a', Buffer.alloc(8 * 1024 * 1024, 'x'));
  const [text = ''] = told(decoderOf(), cutEvery(mine, 64 * 1024));
  assert.equal(text.length, 'HSET: 0/p:1 set a='.length + 8 * 1024 * 1024);
});

test('large values that overwrite captured keys are left out, wherever the bytes are cut', () => {
  const large = Buffer.alloc(5 * 1024 * 1024, 'x');
  const commands = Buffer.concat([
    resp('SET', 'p:1', large, 'PXAT', 5),
    resp('MSET', 'other', large, 'p:2', large, 'p:3', 'small', 'p:4', large),
    resp('HSET', 'p:1', 'a', 1),
    resp('MSETEX', 2, 'p:5', large, 'p:6', large, 'EX', 5),
    resp('SETEX', 'p:7', 5, large),
    resp('HSET', 'p:1', 'a', 2),
  ]);
  for (const size of [777, 64 * 1024, 3 * 1024 * 1024]) {
    const decoder = decoderOf({ offset: 100 });
    const found: string[] = [];
    let most = 0;
    for (const piece of cutEvery(commands, size)) {
      decoder.push(piece);
      for (let command = decoder.next(); command !== undefined; command = decoder.next()) {
        found.push(commandText(command));
        assert.equal(decoder.offset, command.end);
      }
      most = Math.max(most, decoder.buffered);
    }
    assert.deepEqual(found, [
      'SET: 0/p:1 remove',
      'MSET: 0/p:2 remove, 0/p:3 remove, 0/p:4 remove',
      'HSET: 0/p:1 set a=1',
      'MSETEX: 0/p:5 remove, 0/p:6 remove',
      'SETEX: 0/p:7 remove',
      'HSET: 0/p:1 set a=2',
    ]);
    assert.equal(decoder.offset, 100 + commands.length);
    assert.ok(most <= 1024 * 1024 + size, `in pieces of ${size} bytes it held ${most}`);
  }
});
