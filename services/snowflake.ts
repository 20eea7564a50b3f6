import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { projectFolder } from './folders.ts';
import { python } from './native/python.ts';
import type { Launch, Place, Service } from './service.ts';

/** Of fakesnow, in requirements.txt. */
const version = '0.12.1';
const folderOfEmulator = join(projectFolder, 'services', 'snowflake-emulator');

/**
 * An emulator of Snowflake, since there is no Snowflake to install: fakesnow, which is DuckDB under Snowflake's SQL and
 * HTTP, made such that the driver for Node can use it (snowflake-emulator/). What it shows holds for the emulator: see
 * docs/sinks/snowflake.md.
 */
export const snowflake: Service = {
  name: 'snowflake',
  version,
  image: `afterwrite-snowflake-emulator:${version}`,
  containerPort: 8085,
  usualPort: 8085,
  variable: 'AFTERWRITE_TEST_SNOWFLAKE',
  stopSignal: 'SIGTERM',

  address: (port) => `http://127.0.0.1:${port}`,

  async install() {
    await interpreter();
  },

  async launch({ folder, port }: Place): Promise<Launch> {
    const data = join(folder, 'data');
    await mkdir(data, { recursive: true });
    return {
      command: await interpreter(),
      args: [join(folderOfEmulator, 'emulator.py'), '127.0.0.1', String(port), data],
    };
  },

  async ready(port) {
    const answer = await fetch(`${this.address(port)}/telemetry/send`, {
      method: 'POST',
      signal: AbortSignal.timeout(5000),
    });
    if (!answer.ok) throw new Error(`it answered with status ${answer.status}`);
  },
};

async function interpreter(): Promise<string> {
  return await python('snowflake-emulator', join(folderOfEmulator, 'requirements.txt'));
}
