/** Types of columns that are one word. */
export const plainTypes = [
  'string',
  'int',
  'long',
  'float',
  'double',
  'boolean',
  'date',
  'timestamp',
  'timestamp-millis',
  'uuid',
  'bytes',
  'json',
] as const;

export type PlainType = (typeof plainTypes)[number];

/** An exact number: how many digits it has at most, and how many of them stand after the point. */
export type DecimalType = `decimal(${number},${number})`;

/** The type of a column. As one text it stands in messages and in the fingerprint of a mapping. */
export type ColumnType = PlainType | DecimalType;

/** Digits of a decimal, at most: what every database holds exactly (Oracle's and Snowflake's NUMBER end there). */
export const MAX_PRECISION = 38;

export interface Digits {
  readonly precision: number;
  readonly scale: number;
}

export function decimalType({ precision, scale }: Digits): DecimalType {
  return `decimal(${precision},${scale})`;
}

/** What a room knows of every type: one entry each. */
export type TypeTable<T> = Readonly<Record<PlainType, T>> & { readonly decimal: (digits: Digits) => T };

/** A type's entry in a table. */
export function ofType<T>(table: TypeTable<T>, type: ColumnType): T {
  return isDecimal(type) ? table.decimal(digitsOf(type)) : table[type];
}

function isDecimal(type: ColumnType): type is DecimalType {
  return type.startsWith('decimal(');
}

function digitsOf(type: DecimalType): Digits {
  const [precision, scale] = type.slice('decimal('.length, -1).split(',').map(Number);
  return { precision: precision ?? NaN, scale: scale ?? NaN };
}
