/**
 * Values and names as SQL text. Every session sets NO_BACKSLASH_ESCAPES (connection.ts), so that a backslash is itself
 * and a quote, doubled, is all that a text has to escape.
 */

/** An identifier: quoted, so that spaces and reserved words are kept. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

export function textLiteral(text: string): string {
  return text.includes("'") ? `'${text.replaceAll("'", "''")}'` : `'${text}'`;
}

export function bytesLiteral(bytes: Buffer): string {
  return `X'${bytes.toString('hex')}'`;
}
