/** The text of a reply, or undefined where it is none. */
export function asText(reply: unknown): string | undefined {
  if (Buffer.isBuffer(reply)) return reply.toString('utf8');
  return typeof reply === 'string' ? reply : undefined;
}

/** The number of a reply: an integer, or a text that is one; undefined otherwise. */
export function asInteger(reply: unknown): number | undefined {
  const text = asText(reply);
  const value = text !== undefined && /^-?\d+$/.test(text) ? Number(text) : reply;
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

/** The elements of a reply; none where it is no list. */
export function asList(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : [];
}

/** The `name:value` lines of an INFO reply; headings are left out. */
export function parseInfo(reply: unknown): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of (asText(reply) ?? '').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) values.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return values;
}
