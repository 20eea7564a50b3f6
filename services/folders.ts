import { mkdtemp, chmod } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's own folder; this module runs from dist/services/. */
export const projectFolder = fileURLToPath(new URL('../../', import.meta.url));

/** Downloads are kept here, outside the work tree: AFTERWRITE_CACHE, or ~/.cache/afterwrite. */
export function cacheFolder(): string {
  return process.env.AFTERWRITE_CACHE ?? join(homedir(), '.cache', 'afterwrite');
}

/**
 * Data of lasting servers: AFTERWRITE_DATA, or the system's usual place. For root that is not its home, because
 * PostgreSQL runs as another user then and could not enter it.
 */
export function dataFolder(): string {
  if (process.env.AFTERWRITE_DATA !== undefined) return process.env.AFTERWRITE_DATA;
  return isRoot() ? '/var/lib/afterwrite' : join(homedir(), '.local', 'share', 'afterwrite');
}

/** A new folder that every user may enter, since servers can run as users of their own. */
export async function temporaryFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `afterwrite-${name}-`));
  await chmod(folder, 0o755);
  return folder;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
