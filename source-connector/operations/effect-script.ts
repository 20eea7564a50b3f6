import {
  acknowledgeLua,
  acknowledgementArguments,
  acknowledgementStream,
  Script,
  SOURCE_PLACE,
  type Masters,
} from '../../clients/redis/index.ts';
import { unpackStrings } from '../packed-hash.ts';
import type { RecordedEffect } from '../record/recorder.ts';

/** Gives what is wrong with the acknowledgement, if anything. */
const tellLua = `${acknowledgeLua}
local function tell(stream, again, a)
  if again ~= '0' and redis.call('EXISTS', stream) == 1 then return nil end
  local answer = acknowledge(stream, a)
  if type(answer) == 'table' then return answer end
  return nil
end
`;

/**
 * KEYS: the hash; the stream of the acknowledgement, if it is told of here.
 * ARGV: database; what `#` holds; whether the hash is removed; whether it may have been acknowledged before; six arguments of
 * the acknowledgement; then, where the whole hash has to be what it was, its names and values.
 * Gives 1 when hash or field were removed. A command is acknowledged whatever has become of its hash since.
 */
const whole = new Script(`${tellLua}
if ARGV[1] ~= '0' then redis.call('SELECT', ARGV[1]) end
if KEYS[2] then
  local wrong = tell(KEYS[2], ARGV[4], { unpack(ARGV, 5, 10) })
  if wrong then return wrong end
end
local hash = KEYS[1]
if #ARGV == 10 then
  if redis.pcall('HGET', hash, '#') ~= ARGV[2] then return 0 end
else
  if redis.pcall('HLEN', hash) ~= (#ARGV - 10) / 2 then return 0 end
  for i = 11, #ARGV, 2 do
    if redis.call('HGET', hash, ARGV[i]) ~= ARGV[i + 1] then return 0 end
  end
end
if ARGV[3] == '1' then return redis.call('DEL', hash) end
return redis.call('HDEL', hash, '#')
`);

/** KEYS: the stream. ARGV: whether it may have been acknowledged before; six arguments of the acknowledgement. */
const told = new Script(`${tellLua}
return tell(KEYS[1], ARGV[1], { unpack(ARGV, 2) }) or 1
`);

/** What the user needs on the master for it, and on which keys. */
export const EFFECT_COMMANDS =
  '+role +evalsha +eval +select +exists +hget +hlen +hdel +del +xadd +xrange +expire'.split(' ');

/**
 * Carries out an effect on the master, if the hash still is what it was. Doing it twice does nothing. In a cluster the command
 * is acknowledged first: another master may have the stream, and while their slot is being moved two keys are in no one place.
 * @throws AfterwriteError as Script.runAt
 */
export async function carryOut(masters: Masters, effect: RecordedEffect): Promise<void> {
  const { db, key, value, hash, removes, id, failed, failure, again, version } = effect;
  const acknowledgement = acknowledgementArguments({
    database: db,
    key,
    id: id ?? Buffer.alloc(0),
    version,
    place: SOURCE_PLACE,
    sink: 'source',
    failure: failed ? (failure ?? 'the command was refused: see the dead letters') : undefined,
  });
  const expected = hash === null ? [] : unpackStrings(hash);
  const args = [db, value ?? '', removes ? 1 : 0, again ? 1 : 0, ...acknowledgement, ...expected];
  const stream = id === null ? undefined : acknowledgementStream(key, id);
  if (stream === undefined) {
    await whole.runAt(masters, [key], args);
  } else if (masters.isCluster) {
    await told.runAt(masters, [stream], [again ? 1 : 0, ...acknowledgement]);
    await whole.runAt(masters, [key], args);
  } else {
    await whole.runAt(masters, [key, stream], args);
  }
}
