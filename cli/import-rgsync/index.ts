import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { configurationOf } from './configuration.ts';
import { readScript } from './python-script.ts';
import { recipeOf } from './recipe.ts';

/**
 * The configuration for what a registration script of rgsync registers, as YAML. The script is read, never run.
 * @throws FILE_UNREADABLE, PYTHON_UNREADABLE
 */
export async function importRgsync(file: string, pipeline: string | undefined): Promise<string> {
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (cause) {
    throw new AfterwriteError('FILE_UNREADABLE', 'the script cannot be read', { where: { file }, cause });
  }
  const recipe = recipeOf(readScript(file, source));
  return configurationOf(
    pipeline ??
      basename(file)
        .replace(/\.py$/, '')
        .replace(/[^A-Za-z0-9._-]/g, '-'),
    recipe,
  );
}
