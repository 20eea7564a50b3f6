import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessIdentity } from './process.ts';

/** What a folder remembers of its server: enough to find it again, and to start it where its clients look for it. */
export interface Memory {
  readonly port: number;
  readonly process: ProcessIdentity | undefined;
}

const file = 'running.json';

/** Undefined for a folder that never had a server. A file that a crash cut short counts as none. */
export function readMemory(folder: string): Memory | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    if (typeof found !== 'object' || found === null || !('port' in found) || typeof found.port !== 'number')
      return undefined;
    return { port: found.port, process: 'process' in found ? toIdentity(found.process) : undefined };
  } catch {
    return undefined;
  }
}

export async function writeMemory(folder: string, memory: Memory): Promise<void> {
  await writeFile(join(folder, file), JSON.stringify(memory));
}

function toIdentity(found: unknown): ProcessIdentity | undefined {
  if (typeof found !== 'object' || found === null || !('pid' in found) || !('startTime' in found)) return undefined;
  const { pid, startTime } = found;
  return typeof pid === 'number' && typeof startTime === 'string' ? { pid, startTime } : undefined;
}
