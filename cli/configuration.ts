import { loadConfig, unresolvedSecrets, type Config } from '../config/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';

/**
 * Reads the configuration of a process that is about to start. A secret that is not there would otherwise show only when
 * its server is spoken to, which may be after hours of waiting for another one.
 * @param needed the parts of the configuration that the process will use
 * @throws CONFIG_UNREADABLE, CONFIG_INVALID, SECRET_UNRESOLVED with all references that point at nothing
 */
export async function loadWithSecrets(path: string, needed: (config: Config) => unknown): Promise<Config> {
  const config = await loadConfig(path);
  const missing = unresolvedSecrets(needed(config));
  if (missing.length > 0) throw new AfterwriteError('SECRET_UNRESOLVED', missing.join('; '), { where: { file: path } });
  return config;
}
