import { z } from 'zod';

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

const durationText = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/;
const bytesText = /^(\d+(?:\.\d+)?) ?(B|kB|MB|GB|KiB|MiB|GiB)$/;

function parseQuantity(text: RegExp, units: Readonly<Record<string, number>>) {
  return (value: string | number): number => {
    if (typeof value === 'number') return value;
    const [, amount, unit] = text.exec(value) ?? [];
    return Math.round(Number(amount) * (units[unit ?? ''] ?? NaN));
  };
}

/** Milliseconds of `10ms`, `1.5s`, `1m`, `1h`, `7d` or a number of milliseconds; NaN for anything else. */
export const parseDuration = parseQuantity(durationText, durationUnits);

/** Bytes of `512KiB`, `8 MiB`, `1MB` or a number of bytes; NaN for anything else. */
export const parseBytes = parseQuantity(bytesText, byteUnits);

const durationAllowed = 'a duration such as 10ms, 5s, 1m, 1h or 7d, or whole milliseconds';
const bytesAllowed = 'a size such as 512KiB, 8MiB or 1GiB, or whole bytes';

/** A length of time; becomes whole milliseconds. */
export const duration = z
  .union([z.int().nonnegative(), z.string().regex(durationText, durationAllowed)], { error: durationAllowed })
  .transform(parseDuration);

/** An amount of memory or of bytes on the wire; becomes whole bytes. */
export const bytes = z
  .union([z.int().positive(), z.string().regex(bytesText, bytesAllowed)], { error: bytesAllowed })
  .transform(parseBytes);
