import type { Redis } from 'ioredis';
import { until } from './until.ts';
import type { Command, CommandStream, Step } from './workload-commands.ts';

/** Databases that the commands select. */
export const DATABASES = [0, 1, 2] as const;
/** An expiry later than this is not waited for, ms. */
const SOON = 60_000;

/**
 * Sends the next steps of a stream in one pipeline, and gives it the answers that matter to it.
 * @returns how many commands were refused
 */
export async function sendSteps(client: Redis, commands: CommandStream, count: number): Promise<number> {
  const pipeline = client.pipeline();
  const listeners = new Map<number, (answer: unknown) => void>();
  const add = ([name, ...args]: Command, listen?: (answer: unknown) => void): void => {
    if (listen !== undefined) listeners.set(pipeline.length, listen);
    pipeline.callBuffer(name, ...args);
  };
  for (let left = count; left > 0; left--) addStep(commands, commands.next(), add);
  let refused = 0;
  for (const [index, [error, answer]] of ((await pipeline.exec()) ?? []).entries()) {
    if (error !== null) refused += 1;
    else listeners.get(index)?.(answer);
  }
  return refused;
}

function addStep(
  commands: CommandStream,
  step: Step,
  add: (command: Command, listen?: (answer: unknown) => void) => void,
): void {
  switch (step.kind) {
    case 'command':
      add(step.command);
      return;
    case 'dump':
      add(step.command, (payload) => {
        if (Buffer.isBuffer(payload)) commands.keepPayload(payload);
      });
      return;
    case 'flush':
      // Only database 0 has rows.
      if (step.command[0] === 'FLUSHALL') add(['SELECT', 0]);
      add(['KEYS', '*'], (keys) => {
        if (Array.isArray(keys)) commands.expireNames(keys.map(String));
      });
      add(step.command);
      return;
    case 'transaction':
      add(['MULTI']);
      for (const command of step.commands) add(command);
      add([step.kept ? 'EXEC' : 'DISCARD']);
  }
}

/** Waits until no key expires soon any more. */
export async function untilNothingExpires(client: Redis): Promise<void> {
  await until('the end of all short expiries', async () => !(await expiresSoon(client)), { everyMs: 100 });
}

/** Asking for the time to live of an expired key makes the server remove it, and say so in its stream. */
async function expiresSoon(client: Redis): Promise<boolean> {
  let found = false;
  for (const db of DATABASES) {
    await client.select(db);
    for (const key of await client.keysBuffer('*')) {
      const left = await client.pttl(key);
      if (left >= 0 && left < SOON) found = true;
    }
  }
  return found;
}
