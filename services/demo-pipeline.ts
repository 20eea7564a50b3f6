import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { projectFolder } from './folders.ts';
import { freePort } from './index.ts';

/** Where the servers are. */
export interface DemoServers {
  readonly redis: string;
  readonly kafka: string;
  readonly registry: string;
  readonly postgres: string;
}

const READY_WITHIN = 60_000;

/** The source and the sink of the demo, as the processes that users run. */
export class DemoPipeline {
  /** Holds the configuration, the source's state and the logs. */
  readonly folder: string;
  readonly #parts: readonly Part[];

  private constructor(folder: string, parts: readonly Part[]) {
    this.folder = folder;
    this.#parts = parts;
  }

  /** Writes the configuration and starts both processes. */
  static async start(servers: DemoServers): Promise<DemoPipeline> {
    const folder = join(projectFolder, '.afterwrite', 'demo');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const ports = { source: await freePort(), sink: await freePort() };
    const config = join(folder, 'afterwrite.yaml');
    await writeFile(config, configOf(servers, folder, ports));
    console.log('\nStarting the source and the sink, each a process of its own:');
    const parts = [
      await startPart('source', ['source', '-c', config], folder, ports.source),
      await startPart('sink', ['sink', 'warehouse', '-c', config], folder, ports.sink),
    ];
    return new DemoPipeline(folder, parts);
  }

  /** Returns when both follow what comes. @throws Error with the end of the log of a process that ended */
  async ready(signal: AbortSignal): Promise<void> {
    for (const part of this.#parts) await readyPart(part, signal);
  }

  /** Ends both in order, and waits for them. */
  async stop(): Promise<void> {
    for (const { child } of this.#parts) if (child.exitCode === null) child.kill('SIGTERM');
    for (const { child } of this.#parts)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}

interface Part {
  readonly name: string;
  readonly child: ChildProcess;
  readonly log: string;
  readonly port: number;
}

async function startPart(name: string, args: readonly string[], folder: string, port: number): Promise<Part> {
  console.log(`  npx afterwrite ${args.join(' ').replace(projectFolder, '')}`);
  const log = join(folder, `${name}.log`);
  const file = await open(log, 'w');
  // In a group of its own: Ctrl-C at the demo's terminal ends the demo, which then ends its processes in order.
  const child = spawn(process.execPath, [join(projectFolder, 'cli', 'bin.mjs'), ...args], {
    stdio: ['ignore', file.fd, file.fd],
    detached: true,
  });
  await once(child, 'spawn');
  await file.close();
  process.once('exit', () => child.kill('SIGKILL'));
  return { name, child, log, port };
}

async function readyPart({ name, child, log, port }: Part, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_WITHIN;
  for (;;) {
    if (child.exitCode !== null || performance.now() > deadline) {
      const end = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-5).join('\n');
      throw new Error(
        `The ${name} ${child.exitCode === null ? `is not ready after ${READY_WITHIN / 1000} s` : 'has ended'}; the end of ${log}:\n${end}`,
      );
    }
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (response?.ok === true) return;
    await wait(50, undefined, { signal });
  }
}

function configOf(servers: DemoServers, folder: string, ports: { source: number; sink: number }): string {
  return `pipeline: demo
kafka:
  brokers: ['${servers.kafka}']
registry:
  url: ${servers.registry}
source:
  url: ${servers.redis}
  state: ${JSON.stringify(join(folder, 'state'))}
  http: { port: ${ports.source} }
mappings:
  person:
    key: person:{person_id}
    table: persons
    fields:
      first_name: first
      last_name: last
      age: { column: age, type: int }
  cars:
    key: cars:{car_id}
    fields:
      id: id
      color: color
sinks:
  warehouse:
    kind: postgres
    url: ${servers.postgres}
    create: true
    http: { port: ${ports.sink} }
`;
}
