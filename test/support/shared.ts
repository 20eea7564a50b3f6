import { prepareService, services, startService, type RunningService } from '../../services/index.ts';
import { sharedNames } from './servers.ts';

export interface SharedServers {
  /** The environment variables that tell tests the addresses. */
  readonly variables: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/**
 * Starts the servers that all tests share, each on a free port and with fresh data. One whose address the environment
 * already names is taken as it is.
 */
export async function startShared(): Promise<SharedServers> {
  const missing = sharedNames.filter((name) => !isNamed(services[name].variable));
  const started: RunningService[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.dispose()));
  };
  try {
    // Tests start Redis by themselves, several at a time: it must be there before.
    await prepareService('redis');
    const starts = missing.map(async (name) => {
      const server = await startService(name);
      started.push(server);
      return [services[name].variable, server.address] as const;
    });
    return { variables: Object.fromEntries(await Promise.all(starts)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isNamed(variable: string): boolean {
  return (process.env[variable] ?? '') !== '';
}
