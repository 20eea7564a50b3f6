import { AfterwriteError } from '../../ops/errors/index.ts';

/**
 * Loads a driver that is installed only where its kind of sink is used.
 *
 * @param kind of the sink, as the configuration names it
 * @param name of the driver's package
 * @param load imports the package
 * @throws AfterwriteError DRIVER_MISSING, with the command that installs it
 */
export async function loadDriver<Module>(kind: string, name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    throw new AfterwriteError('DRIVER_MISSING', `Sinks of kind ${kind} need the package ${name}`, {
      remedy: `Run: npm install ${name}`,
      cause: error,
    });
  }
}

/** Whether that package itself is missing, and not another one that it needs. */
function isMissing(error: unknown, name: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    error.message.startsWith(`Cannot find package '${name}' imported from `)
  );
}
