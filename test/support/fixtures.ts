import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The folder that AFTERWRITE_FIXTURES names, with `recordings/` and `rdb-fixtures/` in it; undefined without. */
const fixturesFolder = process.env['AFTERWRITE_FIXTURES'] ?? '';

export type Fixtures = 'recordings' | 'rdb-fixtures';

/** A folder of the fixtures; undefined when it is not there. */
export function fixtures(name: Fixtures): string | undefined {
  const folder = join(fixturesFolder, name);
  return fixturesFolder !== '' && existsSync(folder) ? folder : undefined;
}

/** For the `skip` option of a test: the reason when the folder is not there. */
export function skipWithout(name: Fixtures): string | false {
  return fixtures(name) === undefined ? `AFTERWRITE_FIXTURES names no folder with ${name}/ in it` : false;
}
