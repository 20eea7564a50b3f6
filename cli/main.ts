import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { createLogger } from '../ops/logging.ts';
import { createMetrics } from '../ops/metrics.ts';
import { checkConfiguration } from './check.ts';
import { loadWithSecrets } from './configuration.ts';
import { mastersOf } from './connections.ts';
import { importRgsync } from './import-rgsync/index.ts';
import { inspectRdb } from './inspect.ts';
import { printError, runParts } from './process.ts';
import { replayStart, runReplay, type ReplayCommandOptions } from './replay.ts';
import { sourceOf } from './source.ts';
import { waitRoute } from './wait-route.ts';
import { SinkWorker } from '../sink-connector/worker.ts';
import { sinkMetrics } from '../sink-connector/metrics.ts';

const CONFIG = ['-c, --config <file>', 'the configuration', 'afterwrite.yaml'] as const;
const CONFIRM = [
  '--confirm-vanished <rows>',
  'agree that a full resync deletes up to so many rows whose hashes are gone',
  count,
] as const;

const CONFIRM_ORPHANS = [
  '--confirm-orphans <rows>',
  'agree that up to so many rows of a partition go that stand in no record of the topic',
  count,
] as const;

const RESYNC = [
  '--resync',
  'begin with a full resync, which publishes what differs, instead of going on from the committed position',
] as const;

interface ConfigOption {
  readonly config: string;
}
interface SinkOptions extends ConfigOption {
  readonly confirmOrphans?: number;
}
interface SourceOptions extends ConfigOption {
  readonly confirmVanished?: number;
  readonly resync?: boolean;
}

/** The command `afterwrite`. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const exit = (code: number): void => {
    exitCode = code;
  };
  const program = new Command('afterwrite')
    .description('Carries every change of Redis hashes into databases, through Kafka, exactly once.')
    .version(version(), '-V, --version', 'print the version')
    .exitOverride();
  program
    .command('source')
    .description('capture the Redis server and publish its changes')
    .option(...CONFIG)
    .option(...CONFIRM)
    .option(...RESYNC)
    .action(async (options: SourceOptions) => {
      exit(await runSource(options));
    });
  program
    .command('sink <name>')
    .description('write what was published into the database of this sink')
    .option(...CONFIG)
    .option(...CONFIRM_ORPHANS)
    .action(async (name: string, options: SinkOptions) => {
      exit(await runSink(name, options));
    });
  program
    .command('run')
    .description('run the source and all sinks in one process')
    .option(...CONFIG)
    .option(...CONFIRM)
    .option(...CONFIRM_ORPHANS)
    .option(...RESYNC)
    .action(async (options: SourceOptions & SinkOptions) => {
      exit(await runAll(options));
    });
  program
    .command('replay <sink>')
    .description('have the workers of a sink write records again, running or not')
    .option(...CONFIG)
    .requiredOption('--from <start>', 'earliest, a time such as 2026-01-31T08:00:00Z, or an offset', replayStart)
    .option('--mapping <name...>', 'only the topics of these mappings; default: all of the sink')
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--without-guard', 'agree that readers see older rows for a while, where tables have no versionColumn')
    .action(async (sink: string, options: ReplayCommandOptions) => {
      await runReplay(sink, options);
    });
  const inspect = program.command('inspect').description('look into files');
  inspect
    .command('rdb <file>')
    .description('list the hashes of an RDB file')
    .option('--json', 'one JSON object a line')
    .action(async (file: string, options: { json?: boolean }) => {
      await inspectRdb(file, options.json === true);
    });
  program
    .command('import-rgsync <script>')
    .description('print the configuration for what a registration script of rgsync registers; the script is not run')
    .option('--pipeline <name>', 'the name of the pipeline; default: the name of the script')
    .action(async (script: string, { pipeline }: { pipeline?: string }) => {
      process.stdout.write(await importRgsync(script, pipeline));
    });
  program
    .command('check')
    .description('check the configuration, say what it uses, and which drivers are installed')
    .option(...CONFIG)
    .action(async ({ config }: ConfigOption) => {
      const { text, isComplete } = await checkConfiguration(config);
      process.stdout.write(text);
      exit(isComplete ? 0 : 1);
    });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    printError(error);
    return 1;
  }
}

async function runSource({ config: path, confirmVanished, resync }: SourceOptions): Promise<number> {
  const config = await loadWithSecrets(path, ({ kafka, registry, source }) => [kafka, registry, source]);
  const log = createLogger('source');
  const metrics = createMetrics();
  const source = sourceOf(config, { confirmed: confirmVanished, resync }, log, metrics);
  return await runParts([source], config.source.http, metrics, log);
}

async function runSink(name: string, { config: path, confirmOrphans }: SinkOptions): Promise<number> {
  const config = await loadWithSecrets(path, ({ kafka, registry, sinks, mappings, source }) => {
    const acknowledges = Object.values(mappings).some(({ acknowledge }) => acknowledge.includes(name));
    return [kafka, registry, sinks[name], acknowledges ? source : undefined];
  });
  const log = createLogger(`sink ${name}`);
  const metrics = createMetrics();
  const ofSinks = sinkMetrics(metrics);
  const masters = () => mastersOf(config.source);
  const sink = new SinkWorker({ config, sink: name, log, metrics: ofSinks, masters, confirmedOrphans: confirmOrphans });
  const http = config.sinks[name]?.http ?? config.source.http;
  return await runParts([sink], { ...http, routes: [waitRoute(new Map([[name, sink]]))] }, metrics, log);
}

async function runAll(options: SourceOptions & SinkOptions): Promise<number> {
  const { config: path, confirmVanished, resync, confirmOrphans: confirmedOrphans } = options;
  const config = await loadWithSecrets(path, (whole) => whole);
  const metrics = createMetrics();
  const source = sourceOf(config, { confirmed: confirmVanished, resync }, createLogger('source'), metrics);
  const ofSinks = sinkMetrics(metrics);
  const sinks = new Map(
    Object.keys(config.sinks).map((sink) => [
      sink,
      new SinkWorker({
        config,
        sink,
        log: createLogger(`sink ${sink}`),
        metrics: ofSinks,
        masters: () => mastersOf(config.source),
        confirmedOrphans,
      }),
    ]),
  );
  const http = { ...config.source.http, routes: [waitRoute(sinks)] };
  return await runParts([source, ...sinks.values()], http, metrics, createLogger('run'));
}

/** As package.json has it, which lies two folders above the compiled program. */
function version(): string {
  const description: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const known = typeof description === 'object' && description !== null && 'version' in description;
  return known ? String(description.version) : 'unknown';
}

function count(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('it must be a number of rows');
  return Number(text);
}
