import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
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
      remedy: `Run: ${installing(name)}`,
      cause: error,
    });
  }
}

/** The command that installs a driver. */
export function installing(name: string): string {
  return `npm install ${name}`;
}

/** The version of a driver's package, which is not loaded for that; undefined when it is not installed. */
export function installedVersion(name: string): string | undefined {
  // Not by the package's own name: one with `exports` may hide its description.
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    let text: string;
    try {
      text = readFileSync(join(folder, name, 'package.json'), 'utf8');
    } catch {
      continue;
    }
    const description: unknown = JSON.parse(text);
    if (typeof description === 'object' && description !== null && 'version' in description)
      return String(description.version);
  }
  return undefined;
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
