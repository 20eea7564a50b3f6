/**
 * Scripts of Redis: all of one is done, or nothing. Each gets the key of the offsets of a topic, and a partition, whose
 * fields there are `<partition>:<name>`. Numbers are compared as texts: those of Lua would round.
 */

/** Whether a partition stands where `owner`, `epoch` and `from` say: three arguments from a place on. */
const stands = `
local function stands(partition, at)
  local held = redis.call('HMGET', KEYS[1], partition .. ':owner', partition .. ':epoch', partition .. ':next_offset')
  return held[1] == ARGV[at] and held[2] == ARGV[at + 1] and held[3] == ARGV[at + 2]
end
local function now()
  local time = redis.call('TIME')
  return string.format('%d%03d', time[1], math.floor(time[2] / 1000))
end
local partition = ARGV[1]
`;

/**
 * Adds entries to a stream, keeps rows in the outbox, and moves the offset behind them.
 *   KEYS: offsets, stream, outbox
 *   ARGV: partition, owner, epoch, from, to, 1 at the end of the partition, entries that are kept or '', the number of
 *         rows for the outbox, of each its offset and its member, and each entry as the number of its fields and values,
 *         followed by these
 * @returns 1, or 0 when another owner or position stands there
 */
export const appendScript = `${stands}
if not stands(partition, 2) then return 0 end
-- Nothing may fail once something is written: what is written then stays.
for place, wanted in pairs({ [2] = 'stream', [3] = 'zset' }) do
  local kind = redis.call('TYPE', KEYS[place]).ok
  if kind ~= wanted and kind ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[place] .. ' is a ' .. kind .. ' and no ' .. wanted)
  end
end
local at = 9
for _ = 1, tonumber(ARGV[8]) do
  redis.call('ZREMRANGEBYSCORE', KEYS[3], ARGV[at], ARGV[at])
  redis.call('ZADD', KEYS[3], ARGV[at], ARGV[at + 1])
  at = at + 2
end
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
if ARGV[7] ~= '' then redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[7]) end
redis.call('HSET', KEYS[1], partition .. ':next_offset', ARGV[5])
if ARGV[6] == '1' then redis.call('HSET', KEYS[1], partition .. ':caught_up_at', now()) end
return 1`;

/** Takes a partition over. ARGV: partition, cluster id, first offset, both for one that is new. @returns its fields */
export const claimScript = `${stands}
if redis.call('HEXISTS', KEYS[1], partition .. ':owner') == 0 then
  redis.call('HSET', KEYS[1], partition .. ':cluster_id', ARGV[2], partition .. ':next_offset', ARGV[3],
    partition .. ':epoch', '0')
end
redis.call('HINCRBY', KEYS[1], partition .. ':owner', 1)
return redis.call('HGETALL', KEYS[1])`;

/** Notes that nothing is lacking. ARGV: partition, owner, epoch, offset. @returns 1, or 0 as above */
export const caughtUpScript = `${stands}
if not stands(partition, 2) then return 0 end
redis.call('HSET', KEYS[1], partition .. ':caught_up_at', now())
return 1`;

/** Begins a replay. ARGV: partition, epoch, next offset. @returns 1, or 0 under another epoch */
export const resetScript = `${stands}
if redis.call('HGET', KEYS[1], partition .. ':epoch') ~= ARGV[2] then return 0 end
redis.call('HINCRBY', KEYS[1], partition .. ':epoch', 1)
redis.call('HSET', KEYS[1], partition .. ':next_offset', ARGV[3])
return 1`;
