import { mkdirSync, rmSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { whenThisProcessEnds } from '../ending.ts';
import { dataFolder, temporaryFolder } from '../folders.ts';
import { freePort, isFree } from '../ports.ts';
import { lastLines } from '../programs.ts';
import type { RunningService, Service, StartOptions } from '../service.ts';
import { readMemory, writeMemory, type Memory } from './memory.ts';
import { ended, isAlive, signal, startProcess, waitForEndSync, type ProcessIdentity } from './process.ts';

const readyWithinMs = 90_000;
const stopWithinMs = 30_000;

/** Starts a server as a process of this machine, installed first if need be; or takes over the one that its folder names. */
export async function startNative(service: Service, options: StartOptions): Promise<RunningService> {
  await service.install();
  const lasting = options.lasting === true;
  const temporary = options.folder === undefined && !lasting;
  const folder = options.folder ?? (temporary ? await temporaryFolder(service.name) : lastingFolder(service));
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const memory = readMemory(folder);
  const port = options.port ?? (await choosePort(service, memory, lasting));
  const settings = { folder, port, temporary, lasting, args: options.args ?? [] };
  const server = new NativeServer(service, settings, memory?.process);
  await server.start();
  return server;
}

/** The lasting server of this kind, if it runs. */
export function findNative(service: Service): RunningService | undefined {
  const folder = lastingFolder(service);
  const memory = readMemory(folder);
  if (memory?.process === undefined || !isAlive(memory.process)) return undefined;
  const settings = { folder, port: memory.port, temporary: false, lasting: true, args: [] };
  return new NativeServer(service, settings, memory.process);
}

/** The folder's name holds the version: another release must not open these data. */
function lastingFolder(service: Service): string {
  return join(dataFolder(), `${service.name}-${service.version}`);
}

async function choosePort(service: Service, memory: Memory | undefined, lasting: boolean): Promise<number> {
  if (memory?.process !== undefined && isAlive(memory.process)) return memory.port;
  for (const port of [memory?.port, lasting ? service.usualPort : undefined]) {
    if (port !== undefined && (await isFree(port))) return port;
  }
  return await freePort();
}

interface Settings {
  readonly folder: string;
  readonly port: number;
  readonly args: readonly string[];
  readonly temporary: boolean;
  readonly lasting: boolean;
}

class NativeServer implements RunningService {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly #service: Service;
  readonly #settings: Settings;
  readonly #log: string;
  #process: ProcessIdentity | undefined;
  #release: () => void = () => undefined;

  constructor(service: Service, settings: Settings, running: ProcessIdentity | undefined) {
    this.name = service.name;
    this.port = settings.port;
    this.address = service.address(settings.port);
    this.#service = service;
    this.#settings = settings;
    this.#log = join(settings.folder, 'server.log');
    this.#process = running;
    if (!settings.lasting) {
      this.#release = whenThisProcessEnds(() => {
        this.#abandon();
      });
    }
  }

  get pid(): number | undefined {
    return this.#process !== undefined && isAlive(this.#process) ? this.#process.pid : undefined;
  }

  async start(): Promise<void> {
    if (this.pid === undefined) {
      const { folder, port, lasting } = this.#settings;
      const launch = await this.#service.launch(this.#settings);
      await rm(this.#log, { force: true });
      this.#process = await startProcess(launch, this.#log, lasting ? undefined : this.#service.stopSignal);
      await writeMemory(folder, { port, process: this.#process });
    }
    await this.#untilReady();
  }

  async stop(): Promise<void> {
    await this.#end(this.#service.stopSignal);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async dispose(): Promise<void> {
    const { temporary, folder } = this.#settings;
    await this.#end(this.#lastSignal);
    if (temporary) await rm(folder, { recursive: true, force: true });
    this.#release();
  }

  /** When this process ends: nothing can be awaited any more. */
  #abandon(): void {
    const { temporary, folder } = this.#settings;
    if (this.#process !== undefined) {
      signal(this.#process, this.#lastSignal);
      if (temporary) waitForEndSync(this.#process, 5000);
    }
    if (temporary) rmSync(folder, { recursive: true, force: true });
  }

  /** Data that go anyway need no orderly end. PostgreSQL does: it removes what it has in shared memory. */
  get #lastSignal(): NodeJS.Signals {
    const { stopSignal } = this.#service;
    return this.#settings.temporary && stopSignal === 'SIGTERM' ? 'SIGKILL' : stopSignal;
  }

  async #end(how: NodeJS.Signals): Promise<void> {
    if (this.#process === undefined) return;
    signal(this.#process, how);
    if (await ended(this.#process, stopWithinMs)) return;
    signal(this.#process, 'SIGKILL');
    await ended(this.#process, stopWithinMs);
  }

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + readyWithinMs;
    for (;;) {
      const alive = this.pid !== undefined;
      try {
        await this.#service.ready(this.port);
        return;
      } catch (error) {
        if (!alive) throw await this.#notReady(`${this.name} ended while it started`, error);
        if (performance.now() > deadline) {
          throw await this.#notReady(`${this.name} did not answer within ${readyWithinMs / 1000} s`, error);
        }
        await wait(50);
      }
    }
  }

  async #notReady(what: string, cause: unknown): Promise<AfterwriteError> {
    const log = lastLines(await readFile(this.#log, 'utf8').catch(() => ''));
    await this.dispose();
    return new AfterwriteError('SERVICE_NOT_READY', `${what}: ${reasonOf(cause)}; it printed: ${log}`, {
      where: { port: this.port, log: this.#settings.temporary ? undefined : this.#log },
      cause,
    });
  }
}
