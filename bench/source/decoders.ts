import { Cleanup } from '../cleanup.ts';
import { figureOfRounds, type Figure } from '../figure.ts';
import { Program } from '../program.ts';
import { startRedis } from '../servers.ts';
import { makeRdb, makeStream } from './make-bytes.ts';
import type { Plan } from './plan.ts';
import { readBytesResult, type ReadBytesResult, type ReadBytesTask } from './read-task.ts';

/** The decoders of snapshot and stream, each in a process of its own, beside one that reads the same file and no more. */
export async function measureDecoders(folder: string, plan: Plan, say: (line: string) => void): Promise<Figure[]> {
  const cleanup = new Cleanup();
  try {
    say('making an RDB file and a stream');
    const redis = await startRedis(cleanup);
    const rdb = await makeRdb(redis, plan.hashes);
    const stream = await makeStream(folder, plan.commands);
    const rounds: Record<'snapshot' | 'stream', { by: ReadBytesResult; nobody: ReadBytesResult }[]> = {
      snapshot: [],
      stream: [],
    };
    for (let round = 1; round <= plan.rounds; round++) {
      say(`decoders: round ${round} of ${plan.rounds}`);
      for (const [by, file] of [['snapshot', rdb] as const, ['stream', stream] as const]) {
        const measure = (who: ReadBytesTask['by']): Promise<ReadBytesResult> =>
          run(cleanup, folder, { file, by: who, passes: plan.passes }, `${by}-${who}-${round}`);
        rounds[by].push({ by: await measure(by), nobody: await measure('nobody') });
      }
    }
    const thrownAway = 'read and thrown away';
    const rate = (of: 'bytes' | 'items', scale: number, items: ReadBytesResult, result: ReadBytesResult): number =>
      // Who throws bytes away counts no items: as many as are in the bytes that it read.
      (of === 'bytes' ? result.bytes / scale : (items.items / items.bytes) * result.bytes) / result.seconds;
    const line = (what: 'snapshot' | 'stream', name: string, unit: string, of: 'bytes' | 'items'): Figure =>
      figureOfRounds(
        name,
        unit,
        thrownAway,
        rounds[what].map(({ by, nobody }) => ({ value: rate(of, 1e6, by, by), limit: rate(of, 1e6, by, nobody) })),
      );
    return [
      line('snapshot', 'source: snapshot decoder, checksum included', 'MB/s', 'bytes'),
      line('snapshot', 'source: snapshot decoder, checksum included', 'hashes/s', 'items'),
      line('stream', 'source: stream decoder', 'commands/s', 'items'),
      line('stream', 'source: stream decoder', 'MB/s', 'bytes'),
    ];
  } finally {
    await cleanup.close();
  }
}

async function run(cleanup: Cleanup, folder: string, task: ReadBytesTask, name: string): Promise<ReadBytesResult> {
  const script = 'dist/bench/source/read-bytes.js';
  const program = Program.start(cleanup, { name, folder, script, args: [JSON.stringify(task)] });
  await program.ended();
  return readBytesResult.parse(JSON.parse(program.printed()));
}
