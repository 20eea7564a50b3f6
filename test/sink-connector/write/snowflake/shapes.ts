import { Names } from '../../../../sink-connector/write/snowflake/names.ts';
import type { ColumnShape, TableShape } from '../../../../sink-connector/write/snowflake/table-shape.ts';

export const names = new Names('upper', 'shop', 'public');

/** A column as the catalogue has it. @param type as in CREATE TABLE, with the digits of a NUMBER */
export function column(name: string, type: string, more: Partial<ColumnShape> = {}): ColumnShape {
  const [, precision, scale] = /^NUMBER\((\d+),(\d+)\)$/.exec(type) ?? [];
  const digits = precision === undefined ? undefined : { precision: Number(precision), scale: Number(scale) };
  return { name, type: type.replace(/\(.*/, ''), digits, required: false, collation: undefined, ...more };
}

/** A table as the catalogue has it. */
export function shape(columns: readonly ColumnShape[], more: Partial<TableShape> = {}): TableShape {
  const byName = new Map(columns.map((each) => [each.name, each]));
  return { isTable: true, columns: byName, primaryKey: ['PERSON_ID'], missingRights: [], ...more };
}

export const personColumns = [
  column('PERSON_ID', 'TEXT', { required: true }),
  column('FIRST', 'TEXT'),
  column('AGE', 'NUMBER(38,0)'),
];
