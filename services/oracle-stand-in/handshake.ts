import type { Protocol } from './protocol.ts';
import { TtcWriter, type TtcReader } from './ttc-codec.ts';

/** AL32UTF8. */
export const charset = 873;
/** The longest DATA packet, bytes. */
export const dataUnit = 8192;

/**
 * The first packet of a client.
 *
 *   CONNECT := version:2 … length-of-data:2 (at 16) offset-of-data:2 (at 18) … data      offsets count the packet's header
 *
 * Data too long for the packet follow in a DATA packet.
 *
 * @param body without the packet's header
 * @returns the connect descriptor, or undefined when it is still to come
 */
export function connectDescriptor(body: Buffer): string | undefined {
  const length = body.readUInt16BE(16);
  const at = body.readUInt16BE(18) - 8;
  return body.length < at + length ? undefined : body.toString('latin1', at, at + length);
}

/** The service that a connect descriptor names: `(… (SERVICE_NAME=FREEPDB1) …)`. */
export function serviceOf(descriptor: string): string | undefined {
  return /SERVICE_NAME=([^)]*)/i.exec(descriptor)?.[1];
}

/**
 *   ACCEPT := version:2 options:2 unit:2 transport-unit:2 one:2 data-length:2 data-offset:2 flags:1 flags:1 zeros:8
 *             unit:4 transport-unit:4 compression:1 [ flags:4 ]
 *
 * Flags 0x04 of the second pair: no native encryption or checksums. The last flags, of 23ai, say that the end of answers is marked
 * (0x02000000), that handshake and login may come at once (0x10000000) and that breaks need no urgent data (0x08000000).
 */
export function acceptBody({ tnsVersion, marksEnds }: Protocol): Buffer {
  const body = Buffer.alloc(37);
  body.writeUInt16BE(tnsVersion, 0);
  body.writeUInt16BE(1, 2);
  body.writeUInt16BE(dataUnit, 4);
  body.writeUInt16BE(0xffff, 6);
  body.writeUInt16BE(1, 8);
  body.writeUInt16BE(8 + body.length, 12);
  body.set([0xc5, 0x0c], 14);
  body.writeUInt32BE(dataUnit, 24);
  body.writeUInt32BE(2 * 1024 * 1024, 28);
  if (marksEnds) body.writeUInt32BE(0x1a000000, 33);
  return body;
}

/** REFUSE := reason:1 reason:1 length:2 text */
export function refusalBody(oraNumber: number): Buffer {
  const text = `(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR=${oraNumber})(ERROR_STACK=(ERROR=(CODE=${oraNumber})(EMFI=4))))`;
  const head = Buffer.alloc(4);
  head.writeUInt16BE(text.length, 2);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** request := version:1 zero:1 client-name 0        behind the message's kind, 1 */
export function passProtocolRequest(reader: TtcReader): void {
  reader.raw(2);
  while (reader.u8() !== 0);
}

/**
 *   answer := 1 version:1 zero:1 server-name 0 charset:2le flags:1 elements:2le length:2 descriptors
 *             bytes(compile-time capabilities) bytes(run-time capabilities)
 *
 * Compile-time capability 4 has the ways to sign in, 7 is the field version. Run-time capability 6 has bit 2 for texts of 32,767 bytes.
 */
export function protocolAnswer({ fieldVersion }: Protocol): Buffer {
  const compileTime = Buffer.alloc(53);
  compileTime[4] = 0xea;
  compileTime[7] = fieldVersion;
  const descriptors = Buffer.alloc(11);
  descriptors.writeUInt16BE(2000, 9);
  return new TtcWriter()
    .u8(1, 6, 0)
    .raw(Buffer.from('x86_64/Linux 2.4.xx\0'))
    .u16le(charset)
    .u8(1)
    .u16le(0)
    .u16be(descriptors.length)
    .raw(descriptors)
    .bytes(compileTime)
    .bytes(Buffer.from([2, 1, 0, 0, 0, 0, 4])).message;
}

/**
 *   request := charset:2le charset:2le flags:1 bytes(compile-time) bytes(run-time) [ zone:11 ] (type:2 (0 | type:2 form:4))* 0:2
 *
 * behind the message's kind, 2. @returns whether there is a time zone, which the answer has to have then, too
 */
export function readDataTypesRequest(reader: TtcReader): boolean {
  reader.raw(5);
  reader.bytes();
  const hasZone = reader.bytes()?.[1] === 1;
  if (hasZone) reader.raw(11);
  while (reader.u16be() !== 0) {
    if (reader.u16be() !== 0) reader.raw(4);
  }
  return hasZone;
}

/** answer := 2 [ zone:11 ] (type:2 (0 | type:2 form:4))* 0:2 — every type in the form that the client asks for */
export function dataTypesAnswer(hasZone: boolean): Buffer {
  const writer = new TtcWriter().u8(2);
  if (hasZone) writer.raw(Buffer.from([0x80, 0, 0, 0, 60, 60, 0x80, 0, 0, 0, 0]));
  return writer.u16be(0).message;
}
