import type { Command, ControlConnection } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';

/** What is asked of a server beside the link, and what comes of it when the user may not. Nothing of it is a loss. */
const wanted: readonly { readonly commands: readonly Command[]; readonly otherwise: string }[] = [
  {
    // No key of this name is captured, and none has to be there.
    commands: [
      ['SELECT', 0],
      ['TYPE', ''],
      ['PTTL', ''],
      ['HGETALL', ''],
    ],
    otherwise: 'each RENAME or COPY from a key that is not captured leads to a full resync',
  },
  {
    commands: [['TIME'], ['INFO', 'replication'], ['MULTI'], ['EXEC']],
    otherwise: 'no removal is proven to be an expiry or an eviction, and RENAME or COPY from outside is as above',
  },
  { commands: [['ROLE']], otherwise: 'it cannot be told whether a master is followed' },
];

/** What operations ask for on the master (operations/effect-script.ts). It is queued, and never run. */
const ofOperations: readonly Command[] = [
  ['EVALSHA', '', 0],
  ['EVAL', '', 0],
  ['EXISTS', ''],
  ['HGET', '', '#'],
  ['HLEN', ''],
  ['HDEL', '', '#'],
  ['DEL', ''],
  ['XADD', '', '*', 'status', 'done'],
  ['XRANGE', '', '-', '+'],
  ['EXPIRE', '', 3600],
];

/**
 * The warning for a user who lacks rights; undefined for one who has all.
 * @param operations whether a mapping has operations
 * @throws AfterwriteError as ControlConnection.call
 */
export async function missingRights(connection: ControlConnection, operations: boolean): Promise<string | undefined> {
  const missing: string[] = [];
  const losses: string[] = [];
  if (operations) {
    missing.push(...(await refusedWhenQueued(connection, ofOperations)));
    if (missing.length > 0) losses.push('the source stops at the first operation (the field #)');
  }
  for (const { commands, otherwise } of wanted) {
    let lacks = false;
    for (const command of commands) {
      if (await isPermitted(connection, command)) continue;
      missing.push(`+${command[0].toLowerCase()}`);
      lacks = true;
    }
    if (lacks) losses.push(otherwise);
  }
  if (missing.length === 0) return undefined;
  const user = connection.endpoint.username ?? 'default';
  return (
    `REDIS_NO_PERMISSION: the Redis user ${user} lacks rights, and without them ${losses.join('; ')}. ` +
    `Run ACL SETUSER ${user} ${missing.join(' ')}.`
  );
}

/** Which commands the server would not run, without running any: one of the queue is wrong. */
async function refusedWhenQueued(connection: ControlConnection, commands: readonly Command[]): Promise<string[]> {
  if (!(await isPermitted(connection, ['MULTI']))) return [];
  const wrong = connection.call('HDEL').catch(() => undefined);
  const queued = await Promise.all(commands.map((command) => isPermitted(connection, command)));
  await wrong;
  await isPermitted(connection, ['EXEC']);
  return commands.filter((_, index) => queued[index] === false).map(([name]) => `+${name.toLowerCase()}`);
}

/** A key that the user may not touch says nothing of the command; that an EXEC has no MULTI neither. */
async function isPermitted(connection: ControlConnection, command: Command): Promise<boolean> {
  try {
    await connection.call(...command);
    return true;
  } catch (error) {
    if (!(error instanceof AfterwriteError)) throw error;
    if (error.code === 'REDIS_REFUSED') return true;
    if (error.code !== 'REDIS_NO_PERMISSION') throw error;
    return / key/.test(error.what) && !/ command/.test(error.what);
  }
}
