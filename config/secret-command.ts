import { spawn } from 'node:child_process';
import { AfterwriteError } from '../ops/errors/index.ts';

/** How long a command may take, ms. */
const patienceMs = 10_000;
/** More than this is no secret, bytes. */
const longestOutput = 1_048_576;

/** Commands that run now, by their text: whoever needs the same secret meanwhile waits for the same run. */
const running = new Map<string, Promise<string>>();

/**
 * Runs a command, without a shell, for what it writes on its standard output, as UTF-8. Nothing is kept of it once it has
 * ended. Its standard error is not read: tools write there what must be in no log.
 * @param command see `wordsOf`
 * @throws SECRET_UNRESOLVED when there is no such command; SECRET_COMMAND when it fails, is late or says nothing. Neither
 * holds anything of its output.
 */
export async function outputOf(command: string): Promise<string> {
  let run = running.get(command);
  if (run === undefined) {
    run = runOf(command, wordsOf(command)).finally(() => running.delete(command));
    running.set(command, run);
  }
  return await run;
}

/**
 * The words of a command, its program first: blanks stand between them, and what is between two `'` or two `"` belongs to
 * one word, as it is. Nothing else has a meaning: no variables, no escapes, no patterns, no pipes.
 * @throws SECRET_UNRESOLVED when a quote is not closed, or when there is no program
 */
export function wordsOf(command: string): string[] {
  const word = /(?:'[^']*'|"[^"]*"|[^\s'"])+/g;
  const words = command.match(word) ?? [];
  const isWhole = command.replace(word, '').trim() === '';
  if (isWhole && words.length > 0) return words.map((text) => text.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  const why = isWhole ? 'names no program' : 'has a quote that is not closed';
  throw new AfterwriteError('SECRET_UNRESOLVED', `\${command:${command}} ${why}`);
}

async function runOf(command: string, [program = '', ...parameters]: readonly string[]): Promise<string> {
  return await new Promise((resolve, reject) => {
    // In a process group of its own: what it has started itself is killed with it.
    const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    const kill = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    };
    const settled = (): void => {
      clearTimeout(late);
      process.off('exit', kill);
      child.stdout.destroy();
    };
    const fail = (why: string): void => {
      settled();
      reject(new AfterwriteError('SECRET_COMMAND', `\${command:${command}} ${why}`));
    };
    const late = setTimeout(() => {
      kill();
      fail(`has not ended within ${patienceMs / 1000} s, and was killed`);
    }, patienceMs);
    process.once('exit', kill);
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= longestOutput) return;
      kill();
      fail('says more than a secret can be, and was killed');
    });
    child.once('error', (cause) => {
      settled();
      reject(new AfterwriteError('SECRET_UNRESOLVED', `\${command:${command}} cannot be run`, { cause }));
    });
    child.once('close', (code, signal) => {
      const secret = withoutLineEnd(Buffer.concat(chunks).toString('utf8'));
      if (code === null) fail(`was ended by ${signal ?? 'a signal'}`);
      else if (code !== 0) fail(`has ended with ${code}`);
      else if (secret === '') fail('says nothing');
      else {
        settled();
        resolve(secret);
      }
    });
  });
}

/** Editors and tools end a text with a line end that is not part of the secret. */
export function withoutLineEnd(text: string): string {
  return text.replace(/[\r\n]+$/, '');
}
