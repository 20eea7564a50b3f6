// Makes a clone ready to run: Node runs no TypeScript and nothing may be installed yet, so this file is plain JavaScript
// and uses Node alone. Every entry script (test/run.mjs, services/run.mjs, …) calls it first.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's own folder, absolute. */
export const projectFolder = fileURLToPath(new URL('..', import.meta.url));
/** Where the compiled program lies. */
export const buildFolder = join(projectFolder, 'dist');

/** Checks Node, installs the packages if they are not those of the lock file, and compiles. Ends the process if it cannot. */
export function bootstrap() {
  checkNode();
  if (!packagesAreInstalled()) installPackages();
  build();
  removeLeftovers();
}

/** Ends the process with a clear word if this Node is too old. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  stop(`Node ${process.versions.node} is too old: install Node 20.19 or later, then run this again.`);
}

/** True if node_modules holds the versions that package-lock.json names: npm leaves a list of what it installed there. */
function packagesAreInstalled() {
  const wanted = lockedVersions(join(projectFolder, 'package-lock.json'));
  const present = lockedVersions(join(projectFolder, 'node_modules', '.package-lock.json'));
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    const found = present[path];
    return found === undefined ? optional === true : found.version === version;
  });
}

function lockedVersions(file) {
  if (!existsSync(file)) return {};
  const { packages } = JSON.parse(readFileSync(file, 'utf8'));
  delete packages[''];
  return packages;
}

function installPackages() {
  console.error('Installing the packages of package-lock.json (npm ci) …');
  // The dev packages hold the compiler, whatever NODE_ENV says. The only script that would run is this project's own
  // build, which comes next.
  const args = ['ci', '--include=dev', '--ignore-scripts', '--loglevel=error'];
  run('npm', args, 'npm ci did not work; its words are above.', 'on failure');
}

function build() {
  const compiler = join(projectFolder, 'node_modules', 'typescript', 'bin', 'tsc');
  run(
    process.execPath,
    [compiler, '-p', 'tsconfig.json'],
    'The TypeScript does not compile; its errors are above.',
    'always',
  );
}

function run(command, args, complaint, output) {
  const stdio = output === 'always' ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
  const result = spawnSync(command, args, { cwd: projectFolder, stdio, encoding: 'utf8' });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}\n`);
  stop(complaint);
}

/** Removes compiled files whose source is gone; else a deleted test would be run for ever. */
function removeLeftovers() {
  for (const name of readdirSync(buildFolder, { recursive: true })) {
    const path = join(buildFolder, name);
    const source = join(projectFolder, relative(buildFolder, path)).replace(/[.]js([.]map)?$/, '.ts');
    if (source.endsWith('.ts') && !existsSync(source)) rmSync(path, { force: true });
  }
}

function stop(message) {
  console.error(message);
  process.exit(1);
}
