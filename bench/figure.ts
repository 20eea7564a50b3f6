/** One line of a benchmark: what was measured, beside what limits it, both in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the value is held against. */
  readonly limitName: string;
  readonly limit: number;
  /** value / limit */
  readonly ratio: number;
}

/** What was measured in one round, and its limit in the same round. */
export interface Pair {
  readonly value: number;
  readonly limit: number;
}

export function figureOf(name: string, unit: string, limitName: string, { value, limit }: Pair): Figure {
  return { name, value: rounded(value), unit, limitName, limit: rounded(limit), ratio: rounded(value / limit) };
}

/**
 * The line of several rounds: that of the round whose ratio is the median. A machine that slows down for a while slows
 * both members of a pair, so ratios vary less than rates.
 */
export function figureOfRounds(name: string, unit: string, limitName: string, pairs: readonly Pair[]): Figure {
  const sorted = [...pairs].sort((a, b) => a.value / a.limit - b.value / b.limit);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  if (median === undefined) throw new RangeError(`${name} was measured in no round`);
  return figureOf(name, unit, limitName, median);
}

/** The value below which this share (0 to 1) of the values lies; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The lines as a table for people. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = [
    ['measured', 'value', 'unit', 'beside', 'limit', 'ratio'],
    ...figures.map(({ name, value, unit, limitName, limit, ratio }) => [
      name,
      value.toLocaleString('en'),
      unit,
      limitName,
      limit.toLocaleString('en'),
      ratio.toFixed(2),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const numbers = new Set([1, 4, 5]);
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return numbers.has(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** Four digits are more than a noisy machine can tell. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
