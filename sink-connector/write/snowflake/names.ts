import { qualifiedName, quoteName } from '../sql/quoted-name.ts';

/** A text in a statement: a backslash begins an escape here, too. */
export function textLiteral(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** Names as the database has them. All of them are quoted, in the case that they have. */
export class Names {
  readonly #upper: boolean;
  readonly database: string;
  readonly schema: string;

  /** @param identifiers `upper`: in capitals, so that SQL finds them without quotes */
  constructor(identifiers: 'upper' | 'exact', database: string, schema: string) {
    this.#upper = identifiers === 'upper';
    this.database = this.stored(database);
    this.schema = this.stored(schema);
  }

  /** A name as the catalogue has it. */
  stored(name: string): string {
    return this.#upper ? name.toUpperCase() : name;
  }

  column(name: string): string {
    return quoteName(this.stored(name));
  }

  table(name: string): string {
    return this.inSchema(this.stored(name));
  }

  get schemaName(): string {
    return qualifiedName(this.database, this.schema);
  }

  /** A name that is stored as it is. */
  inSchema(stored: string): string {
    return `${this.schemaName}.${quoteName(stored)}`;
  }
}
