import type { Masters } from './masters.ts';
import { Script } from './script.ts';

/**
 * That a command with an id has been carried out: one entry of the stream `{<key>}<id>`, for which its client waits. The
 * entry's own id is `<version>-<place>`, so that whoever says it again after a crash says nothing new (rule 22).
 */
export interface Acknowledgement {
  /** The database of the hash, which is the stream's. */
  readonly database: number;
  /** The hash's key, and the id that its command had, as bytes. */
  readonly key: Buffer;
  readonly id: Buffer;
  /** The version of the event, microseconds. */
  readonly version: number;
  /** SOURCE_PLACE for the source; FIRST_SINK_PLACE + its index in the mapping's `acknowledge` for a sink. */
  readonly place: number;
  /** Who has done it: a sink's name, or `source`. */
  readonly sink: string;
  /** Why it has failed; undefined: it is done. */
  readonly failure?: string | undefined;
}

export const SOURCE_PLACE = 1;
export const FIRST_SINK_PLACE = 2;
/** How long the stream stays after the last entry, s. */
const STREAM_SECONDS = 3600;

/** The stream of a command's acknowledgements: in a cluster in the slot of the key, unless the key has braces itself. */
export function acknowledgementStream(key: Buffer, id: Buffer): Buffer {
  return Buffer.concat([Buffer.from('{'), key, Buffer.from('}'), id]);
}

/**
 * Lua: `acknowledge(stream, arguments)` with the six values of `acknowledgementArguments`; gives 1 when the entry is new.
 *
 * Entries of a stream rise, and one that is older than the last is refused. Of one version, either this very entry is
 * there already, or another sink was faster: then the next free place is taken. A stream that goes on after this version has
 * been told of a later command with the same id, and so of this one.
 */
export const acknowledgeLua = `
local function acknowledge(stream, a)
  local fields = { 'status', a[3], 'sink', a[4] }
  if a[5] ~= '' then fields[5] = 'error'; fields[6] = a[5] end
  local added = redis.pcall('XADD', stream, a[1] .. '-' .. a[2], unpack(fields))
  if type(added) == 'table' and added.err then
    if not string.find(added.err, 'equal or smaller', 1, true) then return added end
    local place = 0
    for _, entry in ipairs(redis.call('XRANGE', stream, a[1], a[1])) do
      if entry[2][4] == a[4] then return 0 end
      place = tonumber(string.match(entry[1], '%d+$'))
    end
    added = redis.pcall('XADD', stream, a[1] .. '-' .. string.format('%d', place + 1), unpack(fields))
    if type(added) == 'table' and added.err then return 0 end
  end
  redis.call('EXPIRE', stream, a[6])
  return 1
end
`;

/** The arguments of `acknowledge` in Lua. */
export function acknowledgementArguments(one: Acknowledgement): (string | number)[] {
  const { version, place, sink, failure } = one;
  return [version, place, failure === undefined ? 'done' : 'failed', sink, failure ?? '', STREAM_SECONDS];
}

const script = new Script(`${acknowledgeLua}
if ARGV[1] ~= '0' then redis.call('SELECT', ARGV[1]) end
return acknowledge(KEYS[1], { unpack(ARGV, 2) })
`);

/**
 * Acknowledges a command once, at the master of its stream. Many may be sent without waiting for the first.
 * @returns whether it was new
 * @throws AfterwriteError as Script.runAt; REDIS_NO_PERMISSION where the user lacks a right
 */
export async function acknowledge(masters: Masters, one: Acknowledgement): Promise<boolean> {
  const stream = acknowledgementStream(one.key, one.id);
  return (await script.runAt(masters, [stream], [one.database, ...acknowledgementArguments(one)])) === 1;
}
