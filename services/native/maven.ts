import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { cacheFolder } from '../folders.ts';
import { findProgram, lastLines, run } from '../programs.ts';
import { say } from '../progress.ts';
import { installPackages } from './apt.ts';

const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';

/**
 * The folder with a download's files, filled on first use. It is filled beside its place and then renamed, so that it is
 * either whole or absent.
 *
 * @param name the folder's name in the cache, with the version in it
 */
export async function downloaded(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), 'downloads', name);
  if (existsSync(folder)) return folder;
  say(`downloading ${name} to ${folder}`);
  await mkdir(dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    await fill(partial);
    await rename(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    // Another process was faster: what it put there is whole.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** Copies all dependencies of a pom.xml into a folder. */
export async function copyDependencies(pom: string, properties: readonly string[], folder: string): Promise<void> {
  await maven([
    '-f',
    pom,
    ...properties.map((property) => `-D${property}`),
    `${dependencyPlugin}:copy-dependencies`,
    `-DoutputDirectory=${folder}`,
  ]);
}

/** Copies one artifact, `group:name:version:type:classifier`, into a folder. */
export async function copyArtifact(artifact: string, folder: string): Promise<void> {
  await maven([`${dependencyPlugin}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`]);
}

async function maven(args: readonly string[]): Promise<void> {
  if (findProgram('mvn') === undefined) await installPackages(['maven']);
  const { code, stdout, stderr } = await run('mvn', ['-q', '-B', ...args]);
  if (code === 0) return;
  throw new AfterwriteError('SERVICE_NOT_INSTALLED', `Maven could not download: ${lastLines(stdout + stderr)}`, {
    remedy: `Check the network and ~/.m2/settings.xml with: mvn -B ${args.join(' ')}. Or start a Docker engine that has Compose.`,
  });
}
