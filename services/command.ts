import { reasonOf } from '../ops/errors/index.ts';
import { findService, isServiceName, serviceEngine, services, startService, type ServiceName } from './index.ts';

const usage = `Usage: npm run services -- start|stop|status [${Object.keys(services).join('|')}]…
  start    starts the named servers (all without names); they go on after this command
  stop     stops them; their data stay
  status   says which of them run, and where`;

const actions = { start, stop, status };

/**
 * Starts, stops or lists the lasting servers.
 *
 * @param args the words after `npm run services --`
 * @returns the exit code: 0 done, 1 not done, 2 not understood
 */
export async function servicesCommand([action = '', ...wanted]: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !isServiceName(name));
  if (!isAction(action) || unknown.length > 0) {
    console.error(unknown.length > 0 ? `There is no server called ${unknown.join(', ')}.\n${usage}` : usage);
    return 2;
  }
  const names = wanted.length > 0 ? wanted.filter(isServiceName) : Object.keys(services).filter(isServiceName);
  const outcomes = await Promise.allSettled(
    names.map(async (name) => `${name.padEnd(9)} ${await actions[action](name)}`),
  );
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') console.log(outcome.value);
    else console.error(reasonOf(outcome.reason));
  }
  return outcomes.every(({ status }) => status === 'fulfilled') ? 0 : 1;
}

function isAction(word: string): word is keyof typeof actions {
  return Object.hasOwn(actions, word);
}

async function start(name: ServiceName): Promise<string> {
  const { address, pid } = await startService(name, { lasting: true });
  return `runs at ${address} (${pid === undefined ? await serviceEngine() : `process ${pid}`})`;
}

async function stop(name: ServiceName): Promise<string> {
  const running = await findService(name);
  if (running === undefined) return 'does not run';
  await running.stop();
  return 'stopped';
}

async function status(name: ServiceName): Promise<string> {
  const running = await findService(name);
  return running === undefined ? 'does not run' : `runs at ${running.address}`;
}
