/** An identifier as standard SQL has it: quoted, so that case, spaces and reserved words are kept. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A table in its schema or keyspace. */
export function qualifiedName(schema: string, table: string): string {
  return `${quoteName(schema)}.${quoteName(table)}`;
}
