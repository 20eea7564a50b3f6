import type { Socket } from 'node:net';
import { acceptBody, connectDescriptor, dataUnit, refusalBody, serviceOf } from './handshake.ts';
import { Session, type Database } from './session.ts';
import { dataFlag, dataFlagBytes, dataPackets, packet, packetKind, PacketReader, type Packet } from './tns-packets.ts';

/** The message that marks the end of an answer, of servers that do so. */
const endOfAnswer = Buffer.from([29]);
/** The service that a descriptor names is not there. */
const unknownService = 12_514;

/** One client's connection: packets in, messages to its session, answers out. What cannot be read ends it, and is told. */
export class Connection {
  readonly #socket: Socket;
  readonly #database: Database;
  readonly #session: Session;
  readonly #packets = new PacketReader();
  readonly #report: (error: unknown) => void;
  #message: Buffer[] = [];
  #accepted = false;
  /** Whether this client marks the last packet of a message. */
  #marks = false;
  #work: Promise<void> = Promise.resolve();

  constructor(socket: Socket, database: Database, report: (error: unknown) => void) {
    this.#socket = socket;
    this.#database = database;
    this.#report = report;
    this.#session = new Session(database);
    this.#session.onEnd = () => {
      socket.destroy();
    };
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#session.close();
    });
    socket.on('data', (chunk) => {
      this.#guard(() => {
        for (const each of this.#packets.read(chunk)) this.#take(each);
      });
    });
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#report(error);
    this.#socket.destroy();
  }

  #take({ kind, body }: Packet): void {
    if (kind === packetKind.connect) {
      const descriptor = connectDescriptor(body);
      if (descriptor !== undefined) this.#accept(descriptor);
      return;
    }
    if (kind !== packetKind.data) throw new Error(`a TNS packet of kind ${kind}, which the stand-in does not know`);
    const flags = body.readUInt16BE(0);
    const part = body.subarray(dataFlagBytes);
    if (!this.#accepted) {
      this.#accept(part.toString('latin1'));
      return;
    }
    if ((flags & dataFlag.endOfFile) !== 0) {
      this.#socket.end();
      return;
    }
    this.#message.push(part);
    if ((flags & dataFlag.endOfRequest) !== 0) this.#marks = true;
    const whole = this.#marks ? (flags & dataFlag.endOfRequest) !== 0 : body.length + 8 < dataUnit;
    if (!whole) return;
    const message = Buffer.concat(this.#message);
    this.#message = [];
    this.#work = this.#work
      .then(() => this.#answer(message))
      .catch((error: unknown) => {
        this.#fail(error);
      });
  }

  #accept(descriptor: string): void {
    if (serviceOf(descriptor)?.toUpperCase() !== this.#database.service) {
      this.#socket.end(packet(packetKind.refuse, refusalBody(unknownService), false));
      return;
    }
    this.#socket.write(packet(packetKind.accept, acceptBody(this.#database.protocol), false));
    this.#packets.large = true;
    this.#accepted = true;
  }

  async #answer(message: Buffer): Promise<void> {
    const answer = await this.#session.answer(message);
    if (answer === undefined) return;
    const { marksEnds } = this.#database.protocol;
    const whole = marksEnds ? Buffer.concat([answer, endOfAnswer]) : answer;
    const packets = dataPackets(whole, dataUnit, marksEnds ? dataFlag.endOfResponse : 0);
    this.#socket.write(Buffer.concat(packets));
  }
}
