import { Cleanup } from '../cleanup.ts';
import { figureOfRounds, type Figure } from '../figure.ts';
import { Program } from '../program.ts';
import { changeHashesResult, type ChangeHashesResult, type ChangeHashesTask } from './change-task.ts';
import type { Plan } from './plan.ts';

/** What a change of one hash of very many fields costs, beside one of as many fields in hashes of ten. */
export async function measureBigHash(folder: string, plan: Plan, say: (line: string) => void): Promise<Figure[]> {
  const cleanup = new Cleanup();
  try {
    const rounds: { big: ChangeHashesResult; small: ChangeHashesResult }[] = [];
    for (let round = 1; round <= plan.rounds; round++) {
      say(`big hash: round ${round} of ${plan.rounds}`);
      const { bigFields: fields, changes } = plan;
      const big = await run(cleanup, folder, { hashes: 1, fields, changes }, `big-${round}`);
      const small = await run(cleanup, folder, { hashes: fields / 10, fields: 10, changes }, `small-${round}`);
      rounds.push({ big, small });
    }
    const line = (of: 'micros' | 'logBytes', what: string, unit: string): Figure =>
      figureOfRounds(
        `source: change of a hash of ${plan.bigFields.toLocaleString('en')} fields, ${what}`,
        unit,
        'of one of ten fields',
        rounds.map(({ big, small }) => ({ value: big[of], limit: small[of] })),
      );
    return [line('micros', 'CPU', 'µs'), line('logBytes', 'log of the state', 'bytes')];
  } finally {
    await cleanup.close();
  }
}

async function run(
  cleanup: Cleanup,
  folder: string,
  task: ChangeHashesTask,
  name: string,
): Promise<ChangeHashesResult> {
  const script = 'dist/bench/source/change-hashes.js';
  const program = Program.start(cleanup, { name, folder, script, args: [JSON.stringify(task)] });
  await program.ended();
  return changeHashesResult.parse(JSON.parse(program.printed()));
}
