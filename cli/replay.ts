import { InvalidArgumentError } from 'commander';
import { consumerGroup } from '../config/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import { parseReplayStart, type ReplayStart } from '../sink-connector/replay-plan.ts';
import { replay, type ReplayOutcome } from '../sink-connector/replay.ts';
import { loadWithSecrets } from './configuration.ts';
import { kafkaOf } from './connections.ts';

export interface ReplayCommandOptions {
  readonly config: string;
  readonly mapping?: readonly string[];
  readonly from: ReplayStart;
  readonly dryRun?: boolean;
  readonly withoutGuard?: boolean;
}

/** The argument of `--from`. */
export function replayStart(text: string): ReplayStart {
  const start = parseReplayStart(text);
  if (start !== undefined) return start;
  throw new InvalidArgumentError('it must be earliest, an offset, or a time such as 2026-01-31T08:00:00Z');
}

/** Moves a sink's offsets back and prints what was done. @throws REPLAY_RACE and what `replay` throws */
export async function runReplay(sink: string, options: ReplayCommandOptions): Promise<void> {
  const config = await loadWithSecrets(options.config, ({ kafka, sinks }) => [kafka, sinks[sink]]);
  const outcomes = await replay({
    config,
    client: { resolve: kafkaOf(config.kafka, `afterwrite.${consumerGroup(config.pipeline, sink)}`) },
    sink,
    mappings: options.mapping ?? [],
    start: options.from,
    withoutGuard: options.withoutGuard === true,
    dryRun: options.dryRun === true,
  });
  process.stdout.write(tableOf(outcomes));
  const moved = outcomes.filter(({ kind }) => kind === 'move').length;
  if (moved === 0) process.stdout.write('Nothing to replay.\n');
  else if (options.dryRun === true) process.stdout.write('Nothing was changed (--dry-run).\n');
  const lost = outcomes.filter(({ done }) => done === 'lost').map((outcome) => `${outcome.topic} ${outcome.partition}`);
  if (lost.length > 0) throw new AfterwriteError('REPLAY_RACE', `These partitions were not moved: ${lost.join(', ')}`);
}

const heads = ['topic', 'partition', 'from', 'to', 'records', ''] as const;

/** From where the offset stood to where the replay begins; records are counted by offsets, so there may be fewer. */
export function tableOf(outcomes: readonly ReplayOutcome[]): string {
  const lines = [heads, ...outcomes.map(cellsOf)];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const padded = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return padded.map((line) => `${line.trimEnd()}\n`).join('');
}

function cellsOf(outcome: ReplayOutcome): string[] {
  const place = [outcome.topic, String(outcome.partition)];
  if (outcome.kind === 'unclaimed') return [...place, '-', '-', '0', 'the sink has never worked on it'];
  const from = outcome.stored.nextOffset;
  if (outcome.kind === 'nothing') return [...place, String(from), '-', '0', 'nothing to replay'];
  const note = outcome.done === 'lost' ? 'lost to another replay' : '';
  return [...place, String(from), String(outcome.to), String(from - outcome.to), note];
}
