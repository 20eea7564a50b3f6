const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\n': '',
};

const escape = /\\(?:([\\'"abfnrtv\n])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3}))/g;

/** The text that a string literal of Python stands for (its grammar: "String and Bytes literals"); undefined for bytes. */
export function pythonText(literal: string): string | undefined {
  const parts = /^([A-Za-z]*)('''|"""|'|")([^]*)\2$/.exec(literal);
  if (parts === null) return undefined;
  const [, prefix = '', , body = ''] = parts;
  if (/b/i.test(prefix)) return undefined;
  if (/r/i.test(prefix)) return body;
  return body.replace(escape, (whole, single?: string, hex?: string, u4?: string, u8?: string, octal?: string) => {
    if (single !== undefined) return escapes[single] ?? whole;
    if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
    const point = parseInt(hex ?? u4 ?? u8 ?? '', 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
