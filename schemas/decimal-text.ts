import type { AvroWriter } from './avro-writer.ts';
import type { Digits } from './column-type.ts';

/** number := [ "-" ] ( digits [ "." [ digits ] ] | "." digits ) [ ("e" | "E") [ "+" | "-" ] digits ] */
const number = /^(-?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/;

/** Whether a text is a number in decimal digits. */
export function isDecimalNumber(text: string): boolean {
  return number.test(text);
}

/**
 * A number without its point: `-1.5` with two digits after the point is -150.
 * @returns undefined for a text that is no number, or one that these digits cannot hold exactly: nothing is rounded.
 */
export function unscaledOf(text: string, { precision, scale }: Digits): bigint | undefined {
  const parts = number.exec(text);
  if (parts === null) return undefined;
  const [, sign = '', whole = '', after = '', only = '', exponent = '0'] = parts;
  const fraction = after + only;
  const digits = whole + fraction;
  if (isZero(digits)) return 0n;
  const shift = scale - fraction.length + Number(exponent);
  // A digit that is not 0, with that many zeros after it, is too long.
  if (shift >= precision) return undefined;
  if (shift < 0 && !isZero(digits.slice(shift))) return undefined;
  const kept = (shift < 0 ? digits.slice(0, shift) : digits + '0'.repeat(shift)).replace(/^0+/, '');
  return kept.length > precision ? undefined : BigInt(sign + kept);
}

function isZero(digits: string): boolean {
  return /^0*$/.test(digits);
}

/** The number, with exactly `scale` digits after the point. */
export function decimalText(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : '';
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Writes decimals: Avro's bytes hold the number without its point, and the schema says where that is. */
export function decimalWriter(digits: Digits): (value: Buffer, out: AvroWriter) => string | undefined {
  const { precision, scale } = digits;
  const problem = `it is no decimal number of at most ${precision - scale} digits before and ${scale} after the point`;
  return (value, out) => {
    const unscaled = unscaledOf(value.toString('latin1'), digits);
    if (unscaled === undefined) return problem;
    out.unscaled(unscaled);
    return undefined;
  };
}
