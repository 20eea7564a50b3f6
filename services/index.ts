import { cassandra } from './cassandra.ts';
import { composeAnswers, findContainer, startContainer } from './compose/containers.ts';
import { kafka } from './kafka.ts';
import { mariadb } from './mariadb.ts';
import { findNative, startNative } from './native/server.ts';
import { oracle } from './oracle.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import { registry } from './registry.ts';
import { snowflake } from './snowflake.ts';
import type { RunningService, Service, StartOptions } from './service.ts';

export { freePort } from './ports.ts';
export type { RunningService, Service, StartOptions } from './service.ts';

/** Every kind of server, in the order in which people read them. A new one is its file and its line here. */
export const services = {
  redis,
  kafka,
  registry,
  postgres,
  mariadb,
  cassandra,
  oracle,
  snowflake,
} as const satisfies Record<string, Service>;

export type ServiceName = keyof typeof services;

/** Containers where an engine answers, else processes of this machine. Asked once. */
let engine: Promise<'docker' | 'native'> | undefined;

/** What runs the servers here; AFTERWRITE_ENGINE=native or =docker decides it without asking. */
export async function serviceEngine(): Promise<'docker' | 'native'> {
  const wish = process.env.AFTERWRITE_ENGINE;
  if (wish === 'docker' || wish === 'native') return wish;
  engine ??= composeAnswers().then((answers) => (answers ? 'docker' : 'native'));
  return await engine;
}

/** True for the name of a kind of server. */
export function isServiceName(name: string): name is ServiceName {
  return Object.hasOwn(services, name);
}

/**
 * Starts a server and returns when it is ready. By default it is private: on a free port, with temporary data, and it
 * ends with this process. A lasting one that already runs is taken as it is.
 *
 * @throws AfterwriteError SERVICE_NOT_INSTALLED, SERVICE_NOT_READY
 */
export async function startService(name: ServiceName, options: StartOptions = {}): Promise<RunningService> {
  const start = (await serviceEngine()) === 'docker' ? startContainer : startNative;
  return await start(services[name], options);
}

/** The lasting server of this kind, if it runs. */
export async function findService(name: ServiceName): Promise<RunningService | undefined> {
  return (await serviceEngine()) === 'docker' ? await findContainer(services[name]) : findNative(services[name]);
}

/** Downloads and installs what a server needs, without starting it: several tests that start it at once then need not wait. */
export async function prepareService(name: ServiceName): Promise<void> {
  if ((await serviceEngine()) === 'native') await services[name].install();
}
