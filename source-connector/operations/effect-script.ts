import {
  acknowledgeLua,
  acknowledgementArguments,
  acknowledgementStream,
  Script,
  SOURCE_PLACE,
  type ControlConnection,
} from '../../clients/redis/index.ts';
import { unpackStrings } from '../packed-hash.ts';
import type { RecordedEffect } from '../record/recorder.ts';

/**
 * KEYS: the hash; the stream of the acknowledgement, if there is one.
 * ARGV: database; what `#` holds; whether the hash is removed; whether it may have been acknowledged before; six arguments of
 * the acknowledgement; then, where the whole hash has to be what it was, its names and values.
 * Gives 1 when hash or field were removed. A command is acknowledged whatever has become of its hash since.
 */
const script = new Script(`${acknowledgeLua}
if ARGV[1] ~= '0' then redis.call('SELECT', ARGV[1]) end
if KEYS[2] and (ARGV[4] == '0' or redis.call('EXISTS', KEYS[2]) == 0) then
  local answer = acknowledge(KEYS[2], { unpack(ARGV, 5, 10) })
  if type(answer) == 'table' then return answer end
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

/** What the user needs on the master for it, and on which keys. */
export const EFFECT_COMMANDS =
  '+role +evalsha +eval +select +exists +hget +hlen +hdel +del +xadd +xrange +expire'.split(' ');

/**
 * Carries out an effect on the master, if the hash still is what it was. Doing it twice does nothing.
 * @returns whether something of the hash was removed
 * @throws AfterwriteError as ControlConnection.call
 */
export async function carryOut(connection: ControlConnection, effect: RecordedEffect): Promise<boolean> {
  const { db, key, value, hash, removes, id, failed, failure, again, version } = effect;
  const keys = id === null ? [key] : [key, acknowledgementStream(key, id)];
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
  return (await script.run(connection, keys, args)) === 1;
}
