import {
  fetchClusterId,
  fetchOffsetBounds,
  fetchOffsetsAt,
  withAdmin,
  type Admin,
  type KafkaClientOptions,
} from '../clients/kafka/index.ts';
import type { Config, SinkConfig } from '../config/index.ts';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import { planStep, type ReplayStart, type ReplayStep } from './replay-plan.ts';
import { sinkOf, sinkTargets, type SinkTarget } from './targets.ts';
import type { Dialect, PartitionName, Session, StoredOffset } from './write/port.ts';
import { createDialect } from './write/registry.ts';

export interface ReplayOptions {
  readonly config: Config;
  readonly client: KafkaClientOptions;
  readonly sink: string;
  /** Names of mappings; all of the sink's when there are none. */
  readonly mappings: readonly string[];
  readonly start: ReplayStart;
  /** Whether readers may see older rows for a while, in tables without a guard column. */
  readonly withoutGuard: boolean;
  /** Only says what would be done. */
  readonly dryRun: boolean;
}

/** A step, and what came of it: `lost` when somebody else has begun another epoch meanwhile. */
export type ReplayOutcome = ReplayStep & { readonly done: 'moved' | 'lost' | 'left' };

/**
 * Moves the offsets that a sink's database holds back, each under a new epoch (rule 14), so that its workers, which may
 * be running, write the same records again. All partitions are checked before the first one is moved.
 * @throws CONFIG_INVALID, REPLAY_UNGUARDED, REPLAY_OUT_OF_RANGE, OFFSET_OF_OTHER_CLUSTER, DATABASE_DOWN,
 *   DATABASE_ACCESS, WRITE_REFUSED, and what Kafka throws: nothing was moved, but where the database went down under way
 */
export async function replay(options: ReplayOptions): Promise<readonly ReplayOutcome[]> {
  const { config, sink, client, dryRun } = options;
  const sinkConfig = sinkOf(config, sink);
  const targets = chosenTargets(options, sinkConfig);
  const dialect = await createDialect(sink, sinkConfig);
  if (!options.withoutGuard) refuseUnguarded(dialect, targets);
  const rows = await ask(dialect, sink, (session) => session.readOffsets());
  const steps = await withAdmin(client, (admin) => planSteps(admin, options.start, targets, rows));
  if (dryRun) return steps.map((step) => ({ ...step, done: 'left' }));
  return await ask(dialect, sink, async (session) => {
    const outcomes: ReplayOutcome[] = [];
    for (const step of steps) outcomes.push({ ...step, done: await take(session, step) });
    return outcomes;
  });
}

function chosenTargets({ config, sink, mappings }: ReplayOptions, sinkConfig: SinkConfig): readonly SinkTarget[] {
  const targets = sinkTargets(config, sinkConfig);
  if (mappings.length === 0) return targets;
  const known = targets.map(({ mapping }) => mapping.name);
  const stranger = mappings.find((name) => !known.includes(name));
  if (stranger !== undefined) {
    const what = `The sink ${sink} writes no mapping ${stranger}; it writes: ${known.join(', ')}`;
    throw new AfterwriteError('CONFIG_INVALID', what, { remedy: 'Name one of these mappings.' });
  }
  return targets.filter(({ mapping }) => mappings.includes(mapping.name));
}

function refuseUnguarded(dialect: Dialect, targets: readonly SinkTarget[]): void {
  // Rows that are written at their versions guard themselves.
  if (dialect.capabilities.commit === 'timestamp') return;
  const open = targets.filter(({ table }) => table.versionColumn === undefined).map(({ table }) => table.name);
  if (open.length === 0) return;
  const what = `Without a guard column, readers would see older rows for a while in: ${open.join(', ')}`;
  throw new AfterwriteError('REPLAY_UNGUARDED', what);
}

async function planSteps(
  admin: Admin,
  start: ReplayStart,
  targets: readonly SinkTarget[],
  rows: readonly (PartitionName & StoredOffset)[],
): Promise<ReplayStep[]> {
  const clusterId = await fetchClusterId(admin);
  const steps: ReplayStep[] = [];
  const problems: string[] = [];
  for (const { mapping } of targets) {
    const { topic } = mapping;
    const bounds = await fetchOffsetBounds(admin, topic);
    const times = start.kind === 'time' ? await fetchOffsetsAt(admin, topic, start.time) : undefined;
    for (const [partition, held] of [...bounds].sort(([a], [b]) => a - b)) {
      const stored = rows.find((row) => row.topic === topic && row.partition === partition);
      if (stored !== undefined && stored.clusterId !== clusterId) {
        throw new AfterwriteError('OFFSET_OF_OTHER_CLUSTER', `The offset counts in the cluster ${stored.clusterId}`, {
          where: { topic, partition, cluster: clusterId },
        });
      }
      const step = planStep(start, { topic, partition, bounds: held, atTime: times?.get(partition), stored });
      if (typeof step === 'string') problems.push(step);
      else steps.push(step);
    }
  }
  if (problems.length > 0) throw new AfterwriteError('REPLAY_OUT_OF_RANGE', problems.join('; '));
  return steps;
}

async function take(session: Session, step: ReplayStep): Promise<ReplayOutcome['done']> {
  if (step.kind !== 'move') return 'left';
  const { topic, partition, stored, to } = step;
  const hit = await session.reset({ topic, partition, epoch: stored.epoch, nextOffset: to });
  return hit === 1 ? 'moved' : 'lost';
}

/** Asks the database once: a command's user is there to try again. */
async function ask<T>(dialect: Dialect, sink: string, question: (session: Session) => Promise<T>): Promise<T> {
  let session: Session | undefined;
  try {
    session = await dialect.connect();
    return await question(session);
  } catch (cause) {
    if (cause instanceof AfterwriteError) throw cause;
    const code = codes[dialect.classify(cause)] ?? 'WRITE_REFUSED';
    throw new AfterwriteError(code, `The offsets of the sink cannot be moved: ${reasonOf(cause)}`, {
      where: { sink },
      cause,
    });
  } finally {
    await session?.close();
  }
}

const codes: { readonly [K in ReturnType<Dialect['classify']>]?: 'DATABASE_DOWN' | 'DATABASE_ACCESS' } = {
  outage: 'DATABASE_DOWN',
  access: 'DATABASE_ACCESS',
};
