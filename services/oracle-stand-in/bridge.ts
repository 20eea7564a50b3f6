import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** H2 in a process of Java. */
export interface Bridge {
  readonly process: ChildProcess;
  readonly port: number;
}

export interface BridgeOptions {
  readonly java: string;
  /** The archive of H2. */
  readonly jar: string;
  /** Bridge.java, which Java compiles as it starts. */
  readonly source: string;
  /** Where the database is kept. */
  readonly folder: string;
  readonly password: string;
}

/** Starts it. It ends with this process, since it reads its standard input. */
export async function startBridge({ java, jar, source, folder, password }: BridgeOptions): Promise<Bridge> {
  const settings = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Duser.timezone=UTC'];
  const child = spawn(java, [...settings, '-cp', jar, source, folder, password], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const ready = /^READY (\d+)$/.exec(line);
      if (ready !== null) resolve(Number(ready[1]));
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`H2 ended while it started, with code ${String(code)}`));
    });
  });
  return { process: child, port };
}
