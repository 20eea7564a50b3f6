import type { Figure } from './figure.ts';

export interface BenchmarkOptions {
  /** Small counts: shows that everything works, and measures nothing that means much. */
  readonly quick: boolean;
  /** Names of the parts that are measured; all when there is none. */
  readonly only: readonly string[];
  /** Tells a person what is going on. */
  readonly say: (line: string) => void;
}

export type Benchmark = (options: BenchmarkOptions) => Promise<Figure[]>;
