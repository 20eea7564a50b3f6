/** Days after which the Gregorian calendar repeats, and the years of that. */
const daysOfCycle = 146_097n;
const yearsOfCycle = 400n;
const microsOfDay = 86_400_000_000n;

/**
 * Days since the epoch as SQLite's date functions, and most others, read them: `2026-11-24`. Beyond the years 0 to 9999, which is all
 * they know, the year has a sign and six digits or more, as in ISO 8601.
 */
export function dateText(days: bigint): string {
  const cycles = floorDivide(days, daysOfCycle);
  const date = new Date(Number(days - cycles * daysOfCycle) * 86_400_000);
  const monthAndDay = date.toISOString().slice('1970'.length, '1970-01-01'.length);
  return `${yearText(BigInt(date.getUTCFullYear()) + cycles * yearsOfCycle)}${monthAndDay}`;
}

/** Microseconds since the epoch in the same way, UTC: `2026-11-24 12:00:00.123456`. Such texts sort by time. */
export function timestampText(micros: bigint): string {
  const days = floorDivide(micros, microsOfDay);
  const ofDay = Number(micros - days * microsOfDay);
  const time = new Date(Math.floor(ofDay / 1000)).toISOString().slice('1970-01-01T'.length, -1);
  return `${dateText(days)} ${time}${String(ofDay % 1000).padStart(3, '0')}`;
}

function yearText(year: bigint): string {
  if (year >= 0n && year <= 9999n) return String(year).padStart(4, '0');
  return year < 0n ? `-${String(-year).padStart(6, '0')}` : `+${String(year).padStart(6, '0')}`;
}

function floorDivide(value: bigint, by: bigint): bigint {
  return (value - (((value % by) + by) % by)) / by;
}
