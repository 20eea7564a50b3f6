import {
  isServiceName,
  services,
  startService,
  type RunningService,
  type ServiceName,
  type StartOptions,
} from '../../services/index.ts';
import type { Scope } from './scope.ts';

/** All but Redis: a test of a source needs one of its own. */
export type SharedName = Exclude<ServiceName, 'redis'>;
export const sharedNames: readonly SharedName[] = Object.keys(services).filter(isSharedName);

function isSharedName(name: string): name is SharedName {
  return isServiceName(name) && name !== 'redis';
}

/**
 * The address of a server that all tests share. `npm test` starts them and says where they are. Use names of your own
 * on them, and never stop them.
 */
export function shared(name: SharedName): string {
  const { variable } = services[name];
  const address = process.env[variable];
  if (address === undefined || address === '') {
    throw new Error(
      `${variable} is not set: run this test with npm test, or set it to the address of a ${name} for tests`,
    );
  }
  return address;
}

/** A server of one's own, to stop, kill and start again; it ends, with its data, after the test. */
export async function startPrivate(
  scope: Scope,
  name: ServiceName,
  options: StartOptions = {},
): Promise<RunningService> {
  const server = await startService(name, options);
  scope.after(() => server.dispose());
  return server;
}
