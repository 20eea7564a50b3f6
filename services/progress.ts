/** Tells a person what takes time; on stderr, so that it never mixes with a command's result. */
export function say(line: string): void {
  process.stderr.write(`services: ${line}\n`);
}
