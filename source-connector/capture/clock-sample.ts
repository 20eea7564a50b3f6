import { addressOf, asInteger, asList, parseInfo, type ControlConnection } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { ClockSample } from './clock-bounds.ts';
import type { EvictionSample } from './evictions.ts';

/** What one reading found: a master's clock, or a replica, which names its master. */
export type Reading =
  | {
      readonly kind: 'master';
      readonly replid: string;
      readonly sample: ClockSample;
      readonly evictions: EvictionSample;
    }
  | { readonly kind: 'replica'; readonly masterHost: string; readonly masterPort: number };

/**
 * Reads clock, offset and the count of evictions in one transaction. Only a master's reading counts. A replica applies a command later than its
 * master ran it, so its clock at an offset says nothing of when the master was there, even if both clocks agree.
 * @throws AfterwriteError as ControlConnection.transaction, and REDIS_PROTOCOL for replies of another shape
 */
export async function readClock(connection: ControlConnection): Promise<Reading> {
  const sentAt = performance.now();
  const [time, replication, stats, memory] = await connection.transaction([
    ['TIME'],
    ['INFO', 'replication'],
    ['INFO', 'stats'],
    ['INFO', 'memory'],
  ]);
  const receivedAt = performance.now();
  const [seconds, microseconds] = asList(time).map(asInteger);
  const info = parseInfo(replication);
  const replid = info.get('master_replid');
  const offset = asInteger(info.get('master_repl_offset'));
  if (info.get('role') === 'slave') {
    return {
      kind: 'replica',
      masterHost: info.get('master_host') ?? '',
      masterPort: asInteger(info.get('master_port')) ?? 0,
    };
  }
  if (seconds === undefined || microseconds === undefined || replid === undefined || offset === undefined) {
    const where = { redis: addressOf(connection.endpoint) };
    throw new AfterwriteError('REDIS_PROTOCOL', 'TIME and INFO replication gave no time and offset', { where });
  }
  const micros = seconds * 1_000_000 + microseconds;
  // -1 where this master never took over from another.
  const ownFrom = Math.max(0, asInteger(info.get('second_repl_offset')) ?? 0);
  const maxMemory = asInteger(parseInfo(memory).get('maxmemory')) ?? 0;
  const policy = parseInfo(memory).get('maxmemory_policy') ?? 'noeviction';
  const evictions: EvictionSample = {
    offset,
    evicted: asInteger(parseInfo(stats).get('evicted_keys')) ?? 0,
    evicts: maxMemory === 0 || policy === 'noeviction' ? 'nothing' : policy.startsWith('volatile') ? 'volatile' : 'any',
  };
  return { kind: 'master', replid, sample: { offset, ownFrom, micros, sentAt, receivedAt }, evictions };
}
