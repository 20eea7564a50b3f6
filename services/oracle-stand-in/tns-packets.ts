/**
 * Packets of TNS, the layer below TTC. All numbers are big-endian.
 *
 *   packet  := length:2 checksum:2 kind:1 flags:1 checksum:2 body      before ACCEPT
 *            | length:4            kind:1 flags:1 checksum:2 body      after it, from version 315 on
 *   DATA    := flags:2 part-of-a-message
 *   MARKER  := 1 0 kind
 *
 * The length counts the packet's own header. A message of TTC is cut into DATA packets no longer than the session data
 * unit; the client says in the flags of each packet whether it is the last one of its message.
 */
export const packetKind = { connect: 1, accept: 2, refuse: 4, data: 6, marker: 12 } as const;

export const dataFlag = { endOfFile: 0x0040, endOfRequest: 0x0800, endOfResponse: 0x2000 } as const;

const headerBytes = 8;
/** Flags of DATA. */
export const dataFlagBytes = 2;
/** A packet of a client is never longer than what ACCEPT allows; more is no packet. */
const longest = 4 * 1024 * 1024;

export interface Packet {
  readonly kind: number;
  readonly body: Buffer;
}

/** Cuts what a socket receives into packets. */
export class PacketReader {
  #rest: Buffer = Buffer.alloc(0);
  /** Whether lengths have four bytes: after ACCEPT. */
  large = false;

  /** @throws Error for what cannot be a packet */
  *read(chunk: Buffer): Generator<Packet> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= headerBytes) {
      const length = this.large ? this.#rest.readUInt32BE(0) : this.#rest.readUInt16BE(0);
      if (length < headerBytes || length > longest) throw new Error(`a TNS packet of ${length} bytes`);
      if (this.#rest.length < length) return;
      const packet = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      yield { kind: packet.readUInt8(4), body: packet.subarray(headerBytes) };
    }
  }
}

/** A packet with its header. @param large whether its length has four bytes */
export function packet(kind: number, body: Buffer, large: boolean): Buffer {
  const header = Buffer.alloc(headerBytes);
  if (large) header.writeUInt32BE(headerBytes + body.length);
  else header.writeUInt16BE(headerBytes + body.length);
  header.writeUInt8(kind, 4);
  return Buffer.concat([header, body]);
}

/** A message of TTC as DATA packets. @param unit the session data unit, bytes @param lastFlags flags of the last one */
export function dataPackets(message: Buffer, unit: number, lastFlags: number): Buffer[] {
  const room = unit - headerBytes - dataFlagBytes;
  const packets: Buffer[] = [];
  for (let at = 0; at < message.length || at === 0; at += room) {
    const flags = Buffer.alloc(dataFlagBytes);
    if (at + room >= message.length) flags.writeUInt16BE(lastFlags);
    packets.push(packet(packetKind.data, Buffer.concat([flags, message.subarray(at, at + room)]), true));
  }
  return packets;
}
