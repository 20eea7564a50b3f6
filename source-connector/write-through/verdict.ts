import {
  acknowledgeLua,
  acknowledgementArguments,
  acknowledgementStream,
  asText,
  Script,
  SOURCE_PLACE,
  type ControlConnection,
} from '../../clients/redis/index.ts';
import { unpackStrings } from '../packed-hash.ts';
import { reportId, TOKEN, type PendingWrite } from '../pending-write.ts';
import { stagingKeyOf, verdictKeyOf } from '../staged-key.ts';

/** How long a verdict stands, s: as long as its client may read of it. */
const VERDICT_SECONDS = 3600;

/** What is decided of a write; `error` for the client, where it failed. */
export type Verdict = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly error: string };

/**
 * Writes the verdict and does all that follows from it in Redis, or tells the one that stands there. `#` goes into the hash for `+` and `-`:
 * it has the stream's reader do there what it does on any hash, and acknowledge it.
 *
 *   KEYS  1 the key   2 its staging key   3 the verdict   4 the client's stream
 *   ARGV  1 database   2 operation   3 id   4 digest of the hash that `~` deletes   5 seconds
 *         6 to 11 what the acknowledgement says (version, place, done or failed, sink, error, seconds)
 *         12 how many strings the staged fields are   13… these, then `#` and its value if it was there
 */
const script = new Script(`${acknowledgeLua}
redis.call('SELECT', ARGV[1])
local stands = redis.call('HGET', KEYS[3], 'verdict')
if stands then return stands end
local operation, id = ARGV[2], ARGV[3]
local said = { unpack(ARGV, 6, 11) }
local verdict, why = said[3], said[5]
local first = 13
local fields = 12 + tonumber(ARGV[12])
local function digest()
  local hash, each = redis.call('HGETALL', KEYS[1]), {}
  for i = 1, #hash, 2 do
    if hash[i] ~= '#' then
      each[#each + 1] = redis.sha1hex(#hash[i] .. ':' .. hash[i] .. #hash[i + 1] .. ':' .. hash[i + 1])
    end
  end
  if #each == 0 then return '' end
  table.sort(each)
  return redis.sha1hex(table.concat(each))
end
local function set(from, to, token)
  -- '#' counts in the command that has the fields; unpack takes less than 8000.
  for i = from, math.max(to, from), 7000 do
    local command = { 'HSET', KEYS[1], unpack(ARGV, i, math.min(i + 6999, to)) }
    if token then
      command[#command + 1] = '#'
      command[#command + 1] = token
    end
    if #command > 2 then redis.call(unpack(command)) end
  end
end
local kind = redis.call('TYPE', KEYS[1])['ok']
if verdict == 'done' and kind ~= 'none' and kind ~= 'hash' then
  verdict, why = 'failed', 'the key holds no hash'
end
if verdict == 'done' and kind == 'hash' then
  -- An operation that removes the hash is being carried out: what comes after it is not to keep it.
  local before = redis.call('HGET', KEYS[1], '#')
  if before and (string.sub(before, 1, 1) == '-' or string.sub(before, 1, 1) == '~') then return 'wait' end
end
if verdict == 'done' and operation == '~' and kind == 'hash' and digest() ~= ARGV[4] then
  verdict, why = 'failed', 'the hash was written while it was to be deleted'
end
local tells = id ~= ''
if verdict == 'done' then
  if operation == '~' then
    redis.call('DEL', KEYS[1])
  elseif operation == '=' then
    set(first, fields)
  else
    -- Whoever reads the stream does it, and acknowledges it.
    set(first, operation == '+' and fields or first - 1, operation .. id)
    tells = false
  end
end
if redis.call('TYPE', KEYS[2])['ok'] == 'hash' then
  for i = first, #ARGV, 2 do
    if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[2], ARGV[i]) end
  end
end
if tells then
  said[3], said[5] = verdict, why
  acknowledge(KEYS[4], said)
end
redis.call('HSET', KEYS[3], 'verdict', verdict)
redis.call('EXPIRE', KEYS[3], ARGV[5])
return verdict
`);

/**
 * Decides on a write, once, whoever asks and how often.
 * @returns what stands then: what was asked for, or what was decided before; undefined while the hash waits to be removed by an operation
 * @throws AfterwriteError as ControlConnection.call
 */
export async function decide(
  connection: ControlConnection,
  write: PendingWrite,
  verdict: Verdict,
): Promise<'done' | 'failed' | undefined> {
  const { db, key, number, operation, id, token, fields, expected } = write;
  const staged = unpackStrings(fields);
  const said = acknowledgementArguments({
    database: db,
    key,
    id,
    version: number,
    place: SOURCE_PLACE,
    sink: 'source',
    failure: verdict.kind === 'failed' ? verdict.error : undefined,
  });
  const answer = await script.run(
    connection,
    [key, stagingKeyOf(key), verdictKeyOf(key, number), acknowledgementStream(key, id)],
    [
      ...[db, operation, id, expected, VERDICT_SECONDS],
      ...said,
      staged.length,
      ...staged,
      ...(token === undefined ? [] : [TOKEN, token]),
    ],
  );
  const stands = asText(answer);
  return stands === 'done' || stands === 'failed' ? stands : undefined;
}

/** The stream in which sinks report that they have written the row of a write. */
export function reportStreamOf({ key, number }: Pick<PendingWrite, 'key' | 'number'>): Buffer {
  return acknowledgementStream(key, reportId(number));
}
