import { quoteName } from '../sql/quoted-name.ts';

/** How the names of a configuration are written in SQL, and in the data dictionary. */
export interface Naming {
  /** As the data dictionary has it. */
  readonly stored: (name: string) => string;
  /** As a statement has it: quoted, so that spaces and reserved words are kept. */
  readonly quoted: (name: string) => string;
}

/** @param names upper: as Oracle takes a name that is not quoted; exact: as it is */
export function namingOf(names: 'upper' | 'exact'): Naming {
  const stored = (name: string): string => (names === 'upper' ? name.toUpperCase() : name);
  return { stored, quoted: (name) => quoteName(stored(name)) };
}

/** A text in a statement. */
export function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
