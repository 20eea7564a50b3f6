import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { findProgram, run } from '../programs.ts';
import { installPackages } from './apt.ts';

const oldest = 17;
const found = new Map<number, Promise<string>>();

/**
 * The absolute path of a `java` that is at least Java 17, installed first if there is none.
 *
 * @param newest the latest release that will do, where not every later one does
 */
export async function java(newest = Infinity): Promise<string> {
  const search = found.get(newest) ?? findOrInstall(newest);
  found.set(newest, search);
  return await search;
}

async function findOrInstall(newest: number): Promise<string> {
  const present = await findJava(newest);
  if (present !== undefined) return present;
  await installJava(newest);
  const installed = await findJava(newest);
  if (installed !== undefined) return installed;
  throw new AfterwriteError(
    'SERVICE_NOT_INSTALLED',
    `no java of version ${oldest}${newest === Infinity ? ' or later' : ` to ${newest}`} was found after its installation`,
  );
}

async function findJava(newest: number): Promise<string | undefined> {
  const candidates = [findProgram('java'), ...machines()].filter((path) => path !== undefined);
  for (const path of candidates) {
    const { code, stderr } = await run(path, ['-version']);
    const major = Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
    if (code === 0 && major >= oldest && major <= newest) return path;
  }
  return undefined;
}

/** A `java` as above that can run a program from its source: what Debian calls a JDK. */
export async function javaWithCompiler(): Promise<string> {
  const found = await java();
  if (await canCompile(found)) return found;
  await installPackages(['openjdk-17-jdk-headless']);
  for (const path of machines()) if (await canCompile(path)) return path;
  throw new AfterwriteError('SERVICE_NOT_INSTALLED', 'no java with a compiler was found after its installation');
}

async function canCompile(path: string): Promise<boolean> {
  const { code, stdout } = await run(path, ['--list-modules']);
  return code === 0 && stdout.includes('jdk.compiler@');
}

/** Every machine that Debian's packages installed; `java` on the path is only the default one. */
function machines(): string[] {
  try {
    return readdirSync('/usr/lib/jvm').map((folder) => join('/usr/lib/jvm', folder, 'bin', 'java'));
  } catch {
    return [];
  }
}

/** Each release of Debian and Ubuntu has one or the other. */
async function installJava(newest: number): Promise<void> {
  try {
    await installPackages(['openjdk-17-jre-headless']);
  } catch (error) {
    const later = await run('apt-cache', ['show', '--no-all-versions', 'openjdk-21-jre-headless']);
    if (newest < 21 || later.code !== 0 || later.stdout === '') throw error;
    await installPackages(['openjdk-21-jre-headless']);
  }
}
