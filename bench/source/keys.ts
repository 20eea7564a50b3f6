import { Cleanup } from '../cleanup.ts';
import { figureOf, type Figure } from '../figure.ts';
import { Program } from '../program.ts';
import { holdHashesResult } from './hold-task.ts';
import type { Plan } from './plan.ts';

/** What the state takes of the heap for each of very many small hashes, beside what it holds of them. */
export async function measureKeys(folder: string, plan: Plan, say: (line: string) => void): Promise<Figure[]> {
  const cleanup = new Cleanup();
  try {
    say('keys');
    const hashes = plan.heldHashes;
    const script = 'dist/bench/source/hold-hashes.js';
    const flags = ['--expose-gc'];
    const args = [JSON.stringify({ hashes })];
    const program = Program.start(cleanup, { name: 'keys', folder, script, args, flags });
    await program.ended();
    const { state, held, census } = holdHashesResult.parse(JSON.parse(program.printed()));
    const of = `of ${hashes.toLocaleString('en')} hashes`;
    return [
      figureOf(`source: heap of the state, ${of}`, 'bytes a key', 'what it holds', { value: state, limit: held }),
      figureOf(`source: heap of a full resync, ${of}`, 'bytes a key', 'of the state', { value: census, limit: state }),
    ];
  } finally {
    await cleanup.close();
  }
}
