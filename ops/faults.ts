/**
 * Named places where a crash test ends the process: `AFTERWRITE_FAULT=<step>` or `<step>:<n>` kills it with SIGKILL
 * when it passes the step for the n-th time (first by default). Several are separated by commas. Nobody gets to
 * clean up, exactly as when a machine loses power; unset, a step costs one Map lookup.
 */
const armed = parseFaults(process.env['AFTERWRITE_FAULT'] ?? '');

/**
 * Reads the value of AFTERWRITE_FAULT.
 * @returns how many more times each named step may be reached, the fatal one included.
 * @throws RangeError when a count is not a positive integer.
 */
export function parseFaults(text: string): Map<string, number> {
  const faults = new Map<string, number>();
  for (const entry of text.split(',')) {
    const [step = '', count = '1'] = entry.trim().split(':');
    if (step === '') continue;
    if (!/^[1-9][0-9]*$/.test(count)) {
      throw new RangeError(`AFTERWRITE_FAULT: the count of step ${step} is ${count}, and must be a positive integer`);
    }
    faults.set(step, Number(count));
  }
  return faults;
}

/** Passes a named step of a commit protocol; ends the process there when a test asked for it. */
export function fault(step: string): void {
  const left = armed.get(step);
  if (left === undefined) return;
  if (left > 1) armed.set(step, left - 1);
  else process.kill(process.pid, 'SIGKILL');
}
