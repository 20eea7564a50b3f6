import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { freePort } from '../services/ports.ts';
import type { Cleanup } from './cleanup.ts';
import { Program } from './program.ts';
import type { Servers } from './servers.ts';

/** One pipeline with a configuration, a state and topics of its own. */
export interface Setup {
  readonly pipeline: string;
  readonly folder: string;
  readonly configFile: string;
  readonly ports: { readonly source: number; readonly sink: number };
}

export interface SetupOptions {
  readonly pipeline: string;
  /** The URL of the Redis that the source reads. */
  readonly redis: string;
  /** Each names the prefix of its keys, too, and unless a sink says otherwise its table. */
  readonly mappings: readonly string[];
  /** What each mapping says beside its key and fields. */
  readonly mapping?: Readonly<Record<string, unknown>>;
  /** Records of one Kafka transaction, at most. */
  readonly sourceBatch: number;
  /** Sinks, by name; they share a port, so that one of them runs at a time. */
  readonly sinks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Writes a configuration for servers; the defaults hold for what it does not say. */
export async function makeSetup(servers: Servers, options: SetupOptions): Promise<Setup> {
  const { pipeline, redis, mappings, mapping = {}, sourceBatch, sinks } = options;
  const folder = join(servers.folder, pipeline);
  await mkdir(folder);
  const ports = { source: await freePort(), sink: await freePort() };
  const mappingOf = (name: string) => ({
    key: `${name}:{person_id}`,
    fields: { first_name: 'first', last_name: 'last', age: { column: 'age', type: 'int' } },
    ...mapping,
  });
  const config = {
    pipeline,
    kafka: { brokers: [servers.kafka.address] },
    registry: { url: servers.registry },
    source: {
      url: redis,
      state: join(folder, 'state'),
      batch: { records: sourceBatch },
      http: { port: ports.source },
    },
    mappings: Object.fromEntries(mappings.map((name) => [name, mappingOf(name)])),
    sinks: Object.fromEntries(
      Object.entries(sinks).map(([name, sink]) => [name, { ...sink, create: true, http: { port: ports.sink } }]),
    ),
  };
  const configFile = join(folder, 'afterwrite.yaml');
  // JSON is YAML.
  await writeFile(configFile, JSON.stringify(config, null, 2));
  return { pipeline, folder, configFile, ports };
}

/** The same pipeline for another worker of its source, with a state and a port of its own. */
export async function secondWorker({ pipeline, folder, configFile, ports }: Setup): Promise<Setup> {
  const config = secondConfig.parse(JSON.parse(await readFile(configFile, 'utf8')));
  const port = await freePort();
  const state = join(folder, 'state-2');
  const source = { ...config.source, state, http: { port } };
  const own = join(folder, 'second');
  await mkdir(own);
  const file = join(own, 'afterwrite.yaml');
  await writeFile(file, JSON.stringify({ ...config, source }, null, 2));
  return { pipeline, folder: own, configFile: file, ports: { ...ports, source: port } };
}

const secondConfig = z.looseObject({ source: z.looseObject({}) });

/** The topic of a mapping. */
export function topicOf({ pipeline }: Setup, mapping: string): string {
  return `${pipeline}.${mapping}`;
}

/** Starts the source as a user does. */
export function startSource(cleanup: Cleanup, { folder, configFile }: Setup): Program {
  const args = ['source', '-c', configFile];
  return Program.start(cleanup, { name: 'source', folder, script: 'cli/bin.mjs', args });
}

/** Starts a sink as a user does. */
export function startSink(cleanup: Cleanup, { folder, configFile }: Setup, name: string): Program {
  const args = ['sink', name, '-c', configFile];
  return Program.start(cleanup, { name: `sink-${name}`, folder, script: 'cli/bin.mjs', args });
}

/** Waits until a connector says that it does its job. */
export async function untilReady(program: Program, port: number): Promise<void> {
  const isReady = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
  await program.until('a connector that is ready', isReady, { timeoutMs: 120_000, everyMs: 50 });
}
