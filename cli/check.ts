import { loadConfig, unresolvedSecrets, type Config } from '../config/index.ts';
import { installedVersion, installing } from '../sink-connector/write/optional-driver.ts';
import { sinkDrivers } from '../sink-connector/write/registry.ts';

export interface CheckReport {
  /** Lines for people. */
  readonly text: string;
  /** Whether every sink of the configuration has its driver. */
  readonly isComplete: boolean;
}

/**
 * Says that a configuration is right, which of its secrets are not there on this machine, what the source and each sink
 * would use, and which drivers are installed. Nothing is connected to, and no secret is shown.
 * @throws CONFIG_UNREADABLE, CONFIG_INVALID
 */
export async function checkConfiguration(path: string): Promise<CheckReport> {
  const config = await loadConfig(path);
  const missing = unresolvedSecrets(config).map((reason) => `Not there now: ${reason}.`);
  const drivers = sinkDrivers.map(({ kind, driver }) => driverState(config, kind, driver));
  const lines = [
    `${path} is right.`,
    ...missing,
    ...usedBy(config),
    'Drivers:',
    ...drivers.map(({ text }) => `  ${text}`),
  ];
  return { text: `${lines.join('\n')}\n`, isComplete: drivers.every(({ isLacking }) => !isLacking) };
}

/** A line for Kafka, the registry, the source and each sink. */
function usedBy({ kafka, registry, source, mappings, sinks }: Config): string[] {
  const captured = Object.values(mappings).map(({ key, topic }) => `${key} → ${topic}`);
  const { sentinel } = source;
  const servers =
    sentinel === undefined ? placeOf(source) : `sentinel ${sentinel.name} at ${sentinel.sentinels.join(', ')}`;
  return [
    `Kafka: ${kafka.brokers.join(', ')}`,
    `Schema registry: ${placeOf(registry)}`,
    `Source: ${servers}: ${captured.join(', ')}`,
    ...Object.entries(sinks).map(([name, sink]) => {
      const tables = sink.mappings.map((mapping) => `${mapping} → ${sink.tables[mapping]?.name ?? mapping}`);
      return `Sink ${name}: ${sink.kind}, ${placeOf(sink)}: ${tables.join(', ')}`;
    }),
  ];
}

function driverState({ sinks }: Config, kind: string, driver: string): { text: string; isLacking: boolean } {
  const version = installedVersion(driver);
  if (version !== undefined) return { text: `${kind}: ${driver} ${version}`, isLacking: false };
  const users = Object.entries(sinks).flatMap(([name, sink]) => (sink.kind === kind ? [name] : []));
  const need = users.length === 0 ? '' : ` (needed by ${users.join(', ')})`;
  return { text: `${kind}: missing${need}: ${installing(driver)}`, isLacking: users.length > 0 };
}

/** The options of any section that say where something is; none of them is a secret. */
const places = [
  'url',
  'host',
  'port',
  'nodes',
  'connectString',
  'contactPoints',
  'account',
  'path',
  'database',
  'keyspace',
  'schema',
];

function placeOf(section: object): string {
  const options = new Map<string, unknown>(Object.entries(section));
  const parts = places.flatMap((name) => {
    const value = options.get(name);
    if (value === undefined) return [];
    return [`${name} ${(Array.isArray(value) ? value : [value]).map(String).map(withoutLogin).join(', ')}`];
  });
  return parts.join(', ');
}

/** A URL may hold a password that is no reference, before its host or among its parameters. */
function withoutLogin(text: string): string {
  return text.replace(/:\/\/.*@/s, '://').replace(/\?.*/s, '');
}
