import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { whenThisProcessEnds } from '../ending.ts';
import { projectFolder } from '../folders.ts';
import { freePort, isFree } from '../ports.ts';
import { lastLines, run, type Outcome } from '../programs.ts';
import type { RunningService, Service, StartOptions } from '../service.ts';

/** The first start downloads the image as well; that is not part of this time. */
const readyWithinMs = 120_000;
const lastingProject = 'afterwrite';

/** True if Docker Compose is there and an engine really answers: a client alone starts nothing. */
export async function composeAnswers(): Promise<boolean> {
  const answers = await Promise.all([run('docker', ['info']), run('docker', ['compose', 'version'])]);
  return answers.every(({ code }) => code === 0);
}

/** Starts a server of docker-compose.yml, in a Compose project of its own unless it shall last. */
export async function startContainer(service: Service, options: StartOptions): Promise<RunningService> {
  const lasting = options.lasting === true;
  const temporary = options.folder === undefined && !lasting;
  const project = lasting ? lastingProject : `${lastingProject}-${projectSuffix(options.folder)}`;
  const running = await publishedPort(service, project);
  const port = options.port ?? running ?? (await choosePort(service, lasting));
  const server = new ContainerServer(service, { project, port, temporary, lasting, args: options.args ?? [] });
  await server.start();
  return server;
}

/** The lasting server of this kind, if it runs. */
export async function findContainer(service: Service): Promise<RunningService | undefined> {
  const port = await publishedPort(service, lastingProject);
  if (port === undefined) return undefined;
  return new ContainerServer(service, { project: lastingProject, port, temporary: false, lasting: true, args: [] });
}

/** One folder, one project: Docker keeps the data in the project's volumes, not in the folder. */
function projectSuffix(folder: string | undefined): string {
  return folder === undefined
    ? randomBytes(6).toString('hex')
    : createHash('sha256').update(folder).digest('hex').slice(0, 12);
}

async function choosePort(service: Service, lasting: boolean): Promise<number> {
  return lasting && (await isFree(service.usualPort)) ? service.usualPort : await freePort();
}

async function publishedPort(service: Service, project: string): Promise<number | undefined> {
  const { code, stdout } = await compose(project, ['port', service.name, String(service.containerPort)]);
  const port = Number(stdout.trim().split(':').at(-1));
  return code === 0 && port > 0 ? port : undefined;
}

function composeArguments(project: string, args: readonly string[]): string[] {
  return ['compose', '-p', project, '-f', join(projectFolder, 'docker-compose.yml'), ...args];
}

async function compose(project: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return await run('docker', composeArguments(project, args), { env });
}

interface Settings {
  readonly project: string;
  readonly port: number;
  readonly args: readonly string[];
  readonly temporary: boolean;
  readonly lasting: boolean;
}

class ContainerServer implements RunningService {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly pid = undefined;
  readonly #service: Service;
  readonly #settings: Settings;
  #release: () => void = () => undefined;

  constructor(service: Service, settings: Settings) {
    this.name = service.name;
    this.port = settings.port;
    this.address = service.address(settings.port);
    this.#service = service;
    this.#settings = settings;
    // Unlike processes, containers have no parent whose end could end them.
    if (!settings.lasting) {
      this.#release = whenThisProcessEnds(() => {
        this.#abandon();
      });
    }
  }

  async start(): Promise<void> {
    const prefix = `AFTERWRITE_${this.name.toUpperCase()}`;
    const env = { [`${prefix}_PORT`]: String(this.port), [`${prefix}_ARGS`]: this.#settings.args.map(quote).join(' ') };
    await this.#must(['up', '-d', '--no-deps', this.name], env);
    const deadline = performance.now() + readyWithinMs;
    for (;;) {
      try {
        await this.#service.ready(this.port);
        return;
      } catch (error) {
        if (performance.now() > deadline) throw await this.#notReady(error);
        await wait(100);
      }
    }
  }

  async stop(): Promise<void> {
    await this.#must(['stop', this.name]);
  }

  async kill(): Promise<void> {
    await this.#must(['kill', this.name]);
  }

  async dispose(): Promise<void> {
    await this.#must(this.#lastCommand);
    this.#release();
  }

  /** When this process ends: nothing can be awaited any more. */
  #abandon(): void {
    spawnSync('docker', composeArguments(this.#settings.project, this.#lastCommand), { stdio: 'ignore' });
  }

  get #lastCommand(): string[] {
    return this.#settings.temporary ? ['down', '--volumes', '--timeout', '0'] : ['stop', this.name];
  }

  async #must(args: readonly string[], env: Record<string, string> = {}): Promise<void> {
    const { code, stdout, stderr } = await compose(this.#settings.project, args, env);
    if (code === 0) return;
    const words = lastLines(stderr || stdout);
    throw new AfterwriteError(
      'SERVICE_NOT_READY',
      `docker compose ${args.join(' ')} ended with code ${code}: ${words}`,
    );
  }

  async #notReady(cause: unknown): Promise<AfterwriteError> {
    const logs = await compose(this.#settings.project, ['logs', '--no-color', '--tail', '8', this.name]);
    await this.dispose();
    const what = `${this.name} did not answer within ${readyWithinMs / 1000} s: ${reasonOf(cause)}; it printed: ${logs.stdout}`;
    return new AfterwriteError('SERVICE_NOT_READY', what, { where: { port: this.port }, cause });
  }
}

/** Compose splits a command as a shell does. */
function quote(argument: string): string {
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}
