import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeEnd, type CallState } from '../../../services/oracle-stand-in/call-end.ts';
import { readExecute } from '../../../services/oracle-stand-in/execute-request.ts';
import {
  acceptBody,
  connectDescriptor,
  dataTypesAnswer,
  protocolAnswer,
  serviceOf,
} from '../../../services/oracle-stand-in/handshake.ts';
import { Lobs } from '../../../services/oracle-stand-in/lobs.ts';
import { Login } from '../../../services/oracle-stand-in/login.ts';
import {
  decodeNumber,
  decodeTime,
  decodeValue,
  encodeNumber,
  encodeTime,
  encodeValue,
  oraType,
} from '../../../services/oracle-stand-in/oracle-values.ts';
import { OraError } from '../../../services/oracle-stand-in/ora-errors.ts';
import { protocols, type Protocol } from '../../../services/oracle-stand-in/protocol.ts';
import { writeDescription, writeQueryParameters, writeRows } from '../../../services/oracle-stand-in/query-answer.ts';
import { forH2, statementOf } from '../../../services/oracle-stand-in/statement-text.ts';
import { dataFlagBytes, dataPackets, PacketReader } from '../../../services/oracle-stand-in/tns-packets.ts';
import { TtcReader, TtcWriter } from '../../../services/oracle-stand-in/ttc-codec.ts';
import { readAnswer, readLobAnswer } from './answers.ts';
import { recordedBytes, recording, skipWithoutGolden } from './golden.ts';

/** The servers of the recordings: 18c has an older field version than the stand-in's 19c. */
const servers = [
  { name: 'xe18', protocol: { ...protocols['19c'], fieldVersion: 11 } },
  { name: 'free23', protocol: protocols['23ai'] },
] as const satisfies readonly { name: string; protocol: Protocol }[];

const golden = { skip: skipWithoutGolden };

/** The messages of TTC in packets with long lengths. */
function messages(packets: readonly Buffer[]): Buffer[] {
  const reader = new PacketReader();
  reader.large = true;
  return packets.flatMap((bytes) => [...reader.read(bytes)].map(({ body }) => body.subarray(dataFlagBytes)));
}

/** A call behind its head: kind, function, sequence and, of 23ai, a token. */
function callOf(message: Buffer, { fieldVersion }: Protocol): TtcReader {
  const reader = new TtcReader(message);
  reader.raw(3);
  if (fieldVersion >= 18) reader.ub();
  return reader;
}

function stateOf(protocol: Protocol): CallState {
  return { protocol, inTransaction: false, sequence: 1 };
}

for (const { name, protocol } of servers) {
  test(`recorded ${name}: a query is read, and answered as that server did`, golden, () => {
    const { sent, received } = recording(`${name}-postauth`);
    const [request = Buffer.alloc(0)] = messages(sent);
    const read = readExecute(callOf(request, protocol), protocol, () => null);
    assert.equal(read.sql, 'select cast(7 + 5 as number(6)) as v from dual');
    assert.deepEqual([read.executes, read.fetch, read.cursor, read.binds, read.rows], [true, 2, 0, [], []]);

    const [answer = Buffer.alloc(0)] = messages(received);
    const writer = new TtcWriter();
    const column = { name: 'V', type: oraType.number, precision: 6, scale: 0, size: 22, characters: 0, nullable: true };
    const result = { columns: [column], rows: [[{ as: 'decimal', value: '12' } as const]], sent: 0 };
    writeDescription(writer, result, protocol.fieldVersion);
    writeRows(writer, stateOf(protocol), 1, result, {
      count: read.fetch,
      defines: undefined,
      keep: () => Buffer.alloc(0),
      afterRows: () => {
        writeQueryParameters(writer);
      },
    });
    const own = protocol.marksEnds ? Buffer.concat([writer.message, Buffer.from([29])]) : writer.message;
    const told = readAnswer(answer, protocol.fieldVersion, protocol.marksEnds);
    assert.deepEqual(told.rows, [['12']]);
    assert.deepEqual(readAnswer(own, protocol.fieldVersion, protocol.marksEnds), told);
  });

  test(`recorded ${name}: a LOB is made, written and read, with the answers of that server`, golden, () => {
    const { sent, received } = recording(`${name}-lob`);
    const theirs = messages(received);
    const theirLocator = Buffer.from(theirs[0]?.subarray(1, 41) ?? []);
    const lobs = new Lobs();
    let ownLocator: Buffer | undefined;
    for (const [index, operation] of (['create', 'write', 'read'] as const).entries()) {
      const request = replaced(messages(sent)[index] ?? Buffer.alloc(0), theirLocator, ownLocator ?? theirLocator);
      const writer = new TtcWriter();
      lobs.answer(callOf(request, protocol), writer);
      writeEnd(writer, stateOf(protocol));
      const own = writer.message;
      ownLocator ??= Buffer.from(own.subarray(1, 41));
      const told = readLobAnswer(
        theirs[index] ?? Buffer.alloc(0),
        operation,
        protocol.fieldVersion,
        protocol.marksEnds,
      );
      assert.deepEqual(readLobAnswer(own, operation, protocol.fieldVersion, false), told);
      assert.equal(told.data, operation === 'read' ? 'rust-oracledb cassette blob payload' : undefined);
    }
  });
}

function replaced(bytes: Buffer, from: Buffer, to: Buffer): Buffer {
  const at = bytes.indexOf(from);
  return at < 0 ? bytes : Buffer.concat([bytes.subarray(0, at), to, bytes.subarray(at + from.length)]);
}

test('recorded connects are read, and what ACCEPT says is what those servers said', golden, () => {
  for (const [name, service, protocol] of [
    ['xe18', 'XEPDB1', protocols['19c']],
    ['free23', 'FREEPDB1', protocols['23ai']],
  ] as const) {
    const [connect = Buffer.alloc(0)] = recording(`${name}-connect`).sent;
    const [packet] = [...new PacketReader().read(connect)];
    assert.equal(serviceOf(connectDescriptor(packet?.body ?? Buffer.alloc(0)) ?? ''), service);
    const theirs = recordedBytes(name === 'xe18' ? 'pre23ai_xe18_accept_payload' : 'free23_accept_payload');
    const own = acceptBody(protocol);
    // The version, and whether handshake and login may come at once and the end of answers is marked.
    assert.equal(own.readUInt16BE(0), theirs.readUInt16BE(0));
    if (protocol.marksEnds) assert.equal(own.readUInt32BE(33), theirs.readUInt32BE(33));
    for (const body of [own, theirs]) assert.ok(body.readUInt16BE(12) >= 8 + 33, 'the body is as long as it says');
  }
});

test('recorded 18c: the handshake and the login have the parts that the stand-in sends', golden, () => {
  const theirs = protocolParts(recordedBytes('pre23ai_xe18_protocol_negotiation_response'));
  const own = protocolParts(protocolAnswer(protocols['19c']));
  assert.deepEqual([own.name, own.charset], [theirs.name, theirs.charset]);
  assert.ok((theirs.compileTime[7] ?? 0) > 0, 'the field version has its place');
  assert.equal(own.compileTime[7], 12);

  readDataTypes(recordedBytes('pre23ai_xe18_data_types_response'), false);
  readDataTypes(dataTypesAnswer(false), false);
  readDataTypes(dataTypesAnswer(true), true);

  const challenge = new TtcWriter();
  new Login('X', 'secret').challenge(challenge);
  writeEnd(challenge, stateOf(protocols['19c']));
  const first = pairsOf(recordedBytes('pre23ai_xe18_auth_phase_one_response'));
  const ownPairs = pairsOf(challenge.message);
  assert.deepEqual([...ownPairs.keys()], [...first.keys()]);
  for (const name of ['AUTH_VFR_DATA', 'AUTH_PBKDF2_CSK_SALT', 'AUTH_PBKDF2_VGEN_COUNT', 'AUTH_SESSKEY']) {
    assert.equal(ownPairs.get(name)?.length, first.get(name)?.length, name);
  }
});

function protocolParts(message: Buffer) {
  const reader = new TtcReader(message);
  assert.deepEqual([reader.u8(), reader.u8(), reader.u8()], [1, 6, 0]);
  let name = '';
  for (let byte = reader.u8(); byte !== 0; byte = reader.u8()) name += String.fromCharCode(byte);
  const charset = reader.raw(2).readUInt16LE();
  reader.u8();
  reader.raw(reader.raw(2).readUInt16LE() * 5);
  reader.raw(reader.u16be());
  const [compileTime, runTime] = [reader.bytes() ?? Buffer.alloc(0), reader.bytes()];
  assert.ok(runTime !== null);
  assert.equal(reader.left, 0);
  return { name, charset, compileTime };
}

function readDataTypes(message: Buffer, hasZone: boolean): void {
  const reader = new TtcReader(message);
  assert.equal(reader.u8(), 2);
  if (hasZone) reader.raw(11);
  while (reader.u16be() !== 0) if (reader.u16be() !== 0) reader.raw(4);
  assert.equal(reader.left, 0);
}

function pairsOf(message: Buffer): Map<string, string> {
  const reader = new TtcReader(message);
  assert.equal(reader.u8(), 8);
  return new Map(Array.from({ length: reader.ub() }, () => reader.pair()));
}

test('numbers of any digits survive both ways', () => {
  const nines = '9'.repeat(38);
  for (const text of ['0', '1', '-1', '10', '100', '1000', '0.1', '-0.01', '12.5', nines, `-${nines}`, `0.${nines}`]) {
    assert.equal(decodeNumber(encodeNumber(text)), text);
  }
  assert.equal(decodeNumber(encodeNumber('1.50e3')), '1500');
  assert.deepEqual(encodeNumber('12'), Buffer.from('c10d', 'hex'));
  assert.throws(() => encodeNumber('1,5'), OraError);
});

test('times and floats survive both ways', () => {
  for (const text of [
    '0001-01-01T00:00:00.000001000',
    '9999-12-31T23:59:59.999999000',
    '2026-11-24T10:20:30.100000000',
  ]) {
    assert.equal(decodeTime(encodeTime(text, 11)), text);
    assert.equal(`${decodeTime(encodeTime(`${text}Z`, 13))}Z`, `${text}Z`);
  }
  assert.equal(decodeTime(encodeTime('2026-03-29T02:30+02:00', 13)), '2026-03-29T00:30:00.000000000');
  for (const value of [0.1, -0.1, Number.MAX_VALUE, -Number.MAX_VALUE, 0]) {
    const bytes = encodeValue(oraType.binaryDouble, { as: 'double', value });
    assert.deepEqual(decodeValue(oraType.binaryDouble, bytes), { as: 'double', value });
  }
});

test('a message is cut into packets and put together again', () => {
  const message = Buffer.alloc(20_000, 'x');
  const packets = dataPackets(message, 8192, 0x2000);
  assert.equal(packets.length, 3);
  assert.deepEqual(Buffer.concat(messages([Buffer.concat(packets)])), message);
});

test('what the stand-in does not know is refused, and never passed over', () => {
  for (const text of [
    'BEGIN NULL; END;',
    'ALTER SESSION SET NLS_DATE_FORMAT = YYYY',
    "ALTER SESSION SET NLS_SORT = BINARY NLS_LANGUAGE = 'GERMAN'",
    'ALTER SYSTEM SWITCH LOGFILE',
    'GRANT DBA TO x',
    'CALL something()',
    'LOCK TABLE t IN EXCLUSIVE MODE',
    'FLASHBACK TABLE t TO BEFORE DROP',
  ]) {
    assert.throws(() => statementOf(text), /^Error: ORA-00900: .*the stand-in does not know/, text);
  }
  assert.throws(() => decodeValue(250, Buffer.alloc(1)), /ORA-03115.*type 250/);
  const lob = new TtcWriter()
    .u8(1)
    .ub(40)
    .u8(0)
    .ub(0, 0, 0)
    .u8(0, 0, 0)
    .ub(0x20)
    .u8(0, 0)
    .ub(0, 0)
    .u8(0)
    .zeros(6)
    .zeros(40);
  assert.throws(() => {
    new Lobs().answer(new TtcReader(lob.message), new TtcWriter());
  }, /ORA-03115.*0x20/);
});

test('binds become parameters of their types, and neither texts nor names nor comments have any', () => {
  const binds = [oraType.varchar, oraType.number].map((type) => ({ type, size: 100 }));
  assert.equal(
    forH2(`SELECT ':1', ":2" /* :3 */ FROM t WHERE a = :1 AND b = :2`, binds),
    `SELECT ':1', ":2" /* :3 */ FROM t WHERE a = CAST(? AS VARCHAR) AND b = CAST(? AS DECFLOAT(40))`,
  );
  assert.throws(() => forH2('SELECT :1 FROM dual', []), /ORA-01008/);
  assert.throws(() => forH2('SELECT 1 FROM dual', binds), /ORA-01006/);
});
