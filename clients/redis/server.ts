import { AfterwriteError } from '../../ops/errors/index.ts';
import { addressOf } from './endpoint.ts';
import type { ControlConnection } from './control.ts';
import { asInteger, asList, asText, parseInfo } from './reply.ts';

/** What ROLE tells about a server. Offsets are replication offsets. */
export type Role =
  | { readonly kind: 'master'; readonly offset: number; readonly replicas: number }
  | {
      readonly kind: 'replica';
      readonly masterHost: string;
      readonly masterPort: number;
      /** `connect`, `connecting`, `sync` or `connected`. */
      readonly link: string;
      /** -1 before the first synchronisation. */
      readonly offset: number;
    }
  | { readonly kind: 'sentinel' };

/**
 * Asks a server for its part in replication.
 * @throws AfterwriteError as ControlConnection.call, and REDIS_PROTOCOL for an answer that is no role
 */
export async function roleOf(connection: ControlConnection): Promise<Role> {
  const [kind, second, third, fourth, fifth] = asList(await connection.call('ROLE'));
  const name = asText(kind);
  if (name === 'master') return { kind: 'master', offset: asInteger(second) ?? 0, replicas: asList(third).length };
  if (name === 'slave') {
    return {
      kind: 'replica',
      masterHost: asText(second) ?? '',
      masterPort: asInteger(third) ?? 0,
      link: asText(fourth) ?? '',
      offset: asInteger(fifth) ?? -1,
    };
  }
  if (name === 'sentinel') return { kind: 'sentinel' };
  const where = { redis: addressOf(connection.endpoint) };
  throw new AfterwriteError('REDIS_PROTOCOL', `ROLE was answered with ${name ?? 'no text'}`, { where });
}

/** The warning for a link to a master; undefined for any other role. */
export function warningFor(role: Role): string | undefined {
  if (role.kind !== 'master') return undefined;
  return (
    'The connector is attached to a master, which counts it as a replica: WAIT and min-replicas-to-write count its ' +
    'acknowledgements as copies of the data, which they are not, and FAILOVER without TO can choose it and leave the ' +
    'master read-only. Point the source at a replica: the stream is the same, and none of this happens.'
  );
}

/** What a server runs. */
export interface ServerVersion {
  readonly product: 'redis' | 'valkey';
  /** The product's own version, `9.1.2` for Valkey 9. */
  readonly version: string;
}

/**
 * Asks for the server's version; undefined where INFO is not permitted.
 * @throws AfterwriteError as ControlConnection.call
 */
export async function versionOf(connection: ControlConnection): Promise<ServerVersion | undefined> {
  const info = await ifPermitted(connection.call('INFO', 'server'));
  if (info === undefined) return undefined;
  const lines = parseInfo(info);
  const valkey = lines.get('valkey_version');
  if (valkey !== undefined) return { product: 'valkey', version: valkey };
  const redis = lines.get('redis_version');
  return redis === undefined ? undefined : { product: 'redis', version: redis };
}

/** How far back a server's backlog reaches, in bytes of the replication stream. */
export interface Backlog {
  /** repl-backlog-size. */
  readonly size: number;
  /** Bytes that it holds now. */
  readonly held: number;
  /** Where the stream is. */
  readonly offset: number;
}

/**
 * Asks for the replication backlog; undefined where INFO is not permitted. INFO tells it without the permission for
 * CONFIG, which managed services withhold.
 * @throws AfterwriteError as ControlConnection.call
 */
export async function backlogOf(connection: ControlConnection): Promise<Backlog | undefined> {
  const info = await ifPermitted(connection.call('INFO', 'replication'));
  if (info === undefined) return undefined;
  const lines = parseInfo(info);
  const size = asInteger(lines.get('repl_backlog_size'));
  if (size === undefined) return undefined;
  const held = asInteger(lines.get('repl_backlog_histlen')) ?? 0;
  return { size, held, offset: asInteger(lines.get('master_repl_offset')) ?? 0 };
}

/** What a server says of its replication, as far as it decides who can follow it. */
export interface Replication {
  readonly role: 'master' | 'replica';
  /** Whether a replica is in touch with its master; true for a master. */
  readonly isLinked: boolean;
  readonly replid: string;
  readonly offset: number;
  /** Whether it can go on where the stream is to be taken up: `behind` when it has not come there yet. */
  readonly goesOn: 'yes' | 'behind' | 'no';
}

/**
 * Asks what a server follows, and whether it can go on in the stream of `replid` after `offset` bytes. By the time that it
 * is asked to, that may have changed.
 * @throws AfterwriteError as ControlConnection.call, REDIS_NO_PERMISSION too
 */
export async function replicationOf(
  connection: ControlConnection,
  resume: { readonly replid: string; readonly offset: number } | null,
): Promise<Replication> {
  const lines = parseInfo(await connection.call('INFO', 'replication'));
  const isReplica = lines.get('role') === 'slave';
  return {
    role: isReplica ? 'replica' : 'master',
    isLinked: !isReplica || lines.get('master_link_status') === 'up',
    replid: lines.get('master_replid') ?? '',
    offset: asInteger(lines.get('master_repl_offset')) ?? 0,
    goesOn: resume === null ? 'no' : goesOnFrom(lines, resume.replid, resume.offset),
  };
}

function goesOnFrom(lines: ReadonlyMap<string, string>, replid: string, offset: number): Replication['goesOn'] {
  const numberOf = (name: string): number => asInteger(lines.get(name)) ?? -1;
  const first = numberOf('repl_backlog_first_byte_offset');
  const end = first + numberOf('repl_backlog_histlen');
  const isFormer = replid === lines.get('master_replid2') && offset + 1 <= numberOf('second_repl_offset');
  if (!isFormer && replid !== lines.get('master_replid')) return 'no';
  if (numberOf('repl_backlog_active') !== 1 || offset + 1 < first) return 'no';
  return offset + 1 > end ? 'behind' : 'yes';
}

/**
 * Whether a server can go on in the stream of `replid` after `offset`; undefined where INFO is not permitted. By the time
 * that it is asked to, that may have changed.
 * @throws AfterwriteError as ControlConnection.call
 */
export async function holdsStream(
  connection: ControlConnection,
  replid: string,
  offset: number,
): Promise<boolean | undefined> {
  const told = await ifPermitted(replicationOf(connection, { replid, offset }));
  return told && told.goesOn === 'yes';
}

/**
 * The value of a setting, or undefined where CONFIG is not permitted or does not know it.
 * @throws AfterwriteError as ControlConnection.call
 */
export async function settingOf(connection: ControlConnection, name: string): Promise<string | undefined> {
  return asText(asList(await ifPermitted(connection.call('CONFIG', 'GET', name)))[1]);
}

/** The reply, or undefined where the user may not ask, or the server does not know the command. */
export async function ifPermitted<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof AfterwriteError && error.code === 'REDIS_NO_PERMISSION') return undefined;
    throw error;
  }
}
