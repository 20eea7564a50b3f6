import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { findProgram, lastLines, run } from '../programs.ts';
import { installPackages } from './apt.ts';
import { downloaded } from './maven.ts';

/**
 * A Python that has the packages of a requirements.txt, and nothing of the system's own: made on first use, and once for
 * each content of that file.
 * @param name the folder's name in the cache
 * @returns the path of the interpreter
 */
export async function python(name: string, requirements: string): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 8);
  const folder = await downloaded(`${name}-${hash}`, (empty) => fill(empty, requirements));
  return join(folder, 'bin', 'python');
}

async function fill(folder: string, requirements: string): Promise<void> {
  const interpreter = findProgram('python3');
  // Debian has the module venv, and a part of what it needs in another package.
  if (interpreter === undefined || (await run(interpreter, ['-c', 'import venv, ensurepip'])).code !== 0) {
    await installPackages(['python3', 'python3-venv']);
  }
  await step(findProgram('python3') ?? 'python3', ['-m', 'venv', folder]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements];
  await step(join(folder, 'bin', 'python'), pip);
}

async function step(command: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await run(command, args);
  if (code === 0) return;
  throw new AfterwriteError(
    'SERVICE_NOT_INSTALLED',
    `Python could not install packages: ${lastLines(stderr || stdout)}`,
    {
      remedy: `Check the network and pip's settings with: ${command} ${args.join(' ')}. Or start a Docker engine that has Compose.`,
    },
  );
}
