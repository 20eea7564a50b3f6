import { rm } from 'node:fs/promises';
import { temporaryFolder } from '../../services/folders.ts';
import type { BenchmarkOptions } from '../benchmark.ts';
import type { Figure } from '../figure.ts';
import { measureBigHash } from './big-hash.ts';
import { measureDecoders } from './decoders.ts';
import { measureKeys } from './keys.ts';
import { fullPlan, quickPlan } from './plan.ts';
import { measureSlowdown } from './slowdown.ts';
import { measureTakeover } from './takeover.ts';

/**
 * The source's decoders, what it costs the server that it follows, and how fast another worker takes over.
 * docs/benchmarks.md says what each line means.
 */
export async function source({ quick, only, say }: BenchmarkOptions): Promise<Figure[]> {
  const plan = quick ? quickPlan : fullPlan;
  const wanted = (part: 'decoders' | 'bigHash' | 'keys' | 'slowdown' | 'takeover'): boolean =>
    only.length === 0 || only.includes(part);
  const folder = await temporaryFolder('bench');
  try {
    return [
      ...(wanted('decoders') ? await measureDecoders(folder, plan, say) : []),
      ...(wanted('bigHash') ? await measureBigHash(folder, plan, say) : []),
      ...(wanted('keys') ? await measureKeys(folder, plan, say) : []),
      ...(wanted('slowdown') ? await measureSlowdown(plan, say) : []),
      ...(wanted('takeover') ? await measureTakeover(plan, say) : []),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
