import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { Launch } from '../service.ts';

/** A process, told apart from a later one that got the same pid by the kernel's start time. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since the machine's start. */
  readonly startTime: string;
}

/**
 * Starts a server in a session of its own, so that a Ctrl-C in this terminal does not reach it directly.
 *
 * With `endsWithOwner`, the kernel itself sends the server that signal when this process ends, however that ends
 * (PR_SET_PDEATHSIG, by way of setpriv, which also changes the user and then becomes the server: the pid is the server's).
 *
 * @param log the file that gets what the server prints
 */
export async function startProcess(
  launch: Launch,
  log: string,
  endsWithOwner: NodeJS.Signals | undefined,
): Promise<ProcessIdentity | undefined> {
  const { user } = launch;
  const privileges = [
    ...(user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--init-groups']),
    ...(endsWithOwner === undefined ? [] : ['--pdeathsig', endsWithOwner.slice('SIG'.length)]),
  ];
  const [command, args] =
    privileges.length === 0
      ? [launch.command, launch.args]
      : ['setpriv', [...privileges, '--', launch.command, ...launch.args]];
  const output = await open(log, 'a');
  try {
    const child = spawn(command, args, { cwd: '/', detached: true, stdio: ['ignore', output.fd, output.fd] });
    child.unref();
    // A command that cannot be run has no pid; the log stays empty and the caller names the command.
    child.once('error', () => undefined);
    return child.pid === undefined ? undefined : identify(child.pid);
  } finally {
    await output.close();
  }
}

/** Who runs under this pid now; undefined if nobody does (a zombie is nobody). */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const startTime = fields[19];
    return fields[0] === 'Z' || startTime === undefined ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTime === identity.startTime;
}

/** Sends a signal to just this process. False if it had ended. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, name);
    return true;
  } catch {
    return false;
  }
}

/** Waits for the end of a process. False if it still runs after that time. */
export async function ended(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(identity)) {
    if (performance.now() > deadline) return false;
    await wait(10);
  }
  return true;
}

/** The same, holding up this whole process: for its last moments, when nothing can be awaited. */
export function waitForEndSync(identity: ProcessIdentity, timeoutMs: number): void {
  const deadline = performance.now() + timeoutMs;
  const never = new Int32Array(new SharedArrayBuffer(4));
  while (isAlive(identity) && performance.now() < deadline) Atomics.wait(never, 0, 0, 10);
}
