import { addressOf, credentialsOf, refused } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { encodeCommand, parseTransfer, parseVerdict, psyncCommand, unexpected } from './psync.ts';
import type { Answer, ResumePoint } from './session.ts';
import type { Wire } from './wire.ts';

export interface Introduction {
  /** What the master shows as this replica's port. 0 shows as unknown, and is one and the same for Sentinel every time. */
  readonly listeningPort: number;
  readonly resume: ResumePoint | null;
  /** Called at the answer +FULLRESYNC; the snapshot itself may need minutes until its header comes. */
  readonly onFullResync: () => void;
}

/**
 * Any fixed version from 9.0.0 on: without one, a Valkey 9 that holds hashes with field expiry answers +FULLRESYNC and
 * closes. Redis answers with an error, which means nothing.
 */
const announcedVersion = '9.1.2';

/**
 * Introduces the connector as a replica, one command at a time: a master refuses PSYNC while replies are pending.
 * Neither rdb-channel-repl nor a compression is announced; all of these are opt-in.
 * @throws AfterwriteError REDIS_AUTH, REDIS_NO_PSYNC, REDIS_LOADING, REDIS_REFUSED, REDIS_PROTOCOL, or what broke the wire
 */
export async function shakeHands(wire: Wire, introduction: Introduction): Promise<Answer> {
  const credentials = credentialsOf(wire.endpoint);
  if (credentials !== undefined) await ask(wire, ['AUTH', ...credentials]);
  await ask(wire, ['PING']);
  await ask(wire, ['REPLCONF', 'listening-port', String(introduction.listeningPort)]);
  await ask(wire, ['REPLCONF', 'capa', 'eof', 'capa', 'psync2']);
  await converse(wire, ['REPLCONF', 'version', announcedVersion]);
  const verdict = parseVerdict(await ask(wire, psyncCommand(introduction.resume)), introduction.resume);
  if (verdict.kind === 'continue') return verdict;
  introduction.onFullResync();
  return { ...verdict, transfer: parseTransfer(await nextLine(wire)) };
}

/** Sends a command and gives its reply, which is a yes. */
async function ask(wire: Wire, command: readonly string[]): Promise<string> {
  const reply = await converse(wire, command);
  if (reply.startsWith('+')) return reply;
  // An AUTH command is named without its arguments.
  throw refused(reply.slice(1), command[0] ?? '', wire.endpoint, 'REDIS_NO_PSYNC');
}

async function converse(wire: Wire, command: readonly string[]): Promise<string> {
  wire.send(encodeCommand(command));
  const reply = await nextLine(wire);
  if (reply.startsWith('+') || reply.startsWith('-')) return reply;
  throw unexpected(reply, `a reply to ${command[0] ?? ''}`);
}

async function nextLine(wire: Wire): Promise<string> {
  const line = await wire.inbound.readLine();
  if (line !== null) return line;
  const where = { redis: addressOf(wire.endpoint) };
  if (wire.brokenBy?.code === 'REDIS_LINK_LOST' && wire.inbound.received === 0) {
    throw new AfterwriteError('REDIS_UNREACHABLE', 'the connection ended without a word from the server', {
      where,
      cause: wire.brokenBy,
      remedy:
        'Check that host and port name a Redis server, that source.tls is set if and only if the port speaks TLS, and that the server takes the client certificate, if there is one.',
    });
  }
  throw wire.brokenBy ?? new AfterwriteError('REDIS_LINK_LOST', 'the link was closed from here', { where });
}
