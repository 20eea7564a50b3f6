import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { isRoot } from '../folders.ts';
import { findProgram, lastLines, run } from '../programs.ts';
import { say } from '../progress.ts';

const policy = '/usr/sbin/policy-rc.d';
const policyAside = `${policy}.before-afterwrite`;
/** Marks our own policy, so that one left behind by a crash is known as such. */
const policyText =
  '#!/bin/sh\n# Written by afterwrite while it installs packages: none of them may start a service.\nexit 101\n';

/** One installation at a time: they share the policy file. */
let last: Promise<void> = Promise.resolve();

/**
 * Installs packages of Debian or Ubuntu, without letting them start services of their own, now or at the next boot.
 *
 * @param packages the names for apt-get
 * @param units the systemd services that these packages would start
 */
export async function installPackages(packages: readonly string[], units: readonly string[] = []): Promise<void> {
  const turn = last.then(() => install(packages, units));
  last = turn.catch(() => undefined);
  await turn;
}

async function install(packages: readonly string[], units: readonly string[]): Promise<void> {
  const list = packages.join(' ');
  const byHand = `apt-get install -y --no-install-recommends ${list}`;
  if (findProgram('apt-get') === undefined) {
    throw new AfterwriteError('SERVICE_NOT_INSTALLED', `${list} is missing, and there is no apt-get to install it`, {
      remedy: `Install it with this system's own package tool, or start a Docker engine that has Compose.`,
    });
  }
  if (!isRoot()) {
    throw new AfterwriteError('SERVICE_NOT_INSTALLED', `${list} is missing, and only root can install it`, {
      remedy: `Run: sudo ${byHand}. Or start a Docker engine that has Compose.`,
    });
  }
  say(`installing ${list} (apt-get)`);
  await withoutServices(async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const wait = ['-o', 'DPkg::Lock::Timeout=300'];
    // Lists of another day name packages that are gone. Where the update is not possible, the install may still be.
    await run('apt-get', ['update', '-q', ...wait], { env });
    const { code, stdout, stderr } = await run(
      'apt-get',
      ['install', '-y', '-q', '--no-install-recommends', ...wait, ...packages],
      { env },
    );
    if (code !== 0) {
      throw new AfterwriteError(
        'SERVICE_NOT_INSTALLED',
        `apt-get could not install ${list}: ${lastLines(stderr || stdout)}`,
        {
          remedy: `Run: ${byHand}, and mend what it says. Or start a Docker engine that has Compose.`,
        },
      );
    }
    if (units.length > 0 && findProgram('systemctl') !== undefined) await run('systemctl', ['disable', ...units]);
  });
}

/** invoke-rc.d and deb-systemd-invoke ask this one file whether a package may start its service; 101 is "no". */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  await restorePolicy();
  if (existsSync(policy)) await rename(policy, policyAside);
  await writeFile(policy, policyText, { mode: 0o755 });
  try {
    await work();
  } finally {
    await restorePolicy();
  }
}

/** Puts back what was there before, also after a run that ended in the middle. */
async function restorePolicy(): Promise<void> {
  if (existsSync(policy) && (await readFile(policy, 'utf8')) === policyText) await rm(policy);
  if (existsSync(policyAside)) await rename(policyAside, policy);
}
