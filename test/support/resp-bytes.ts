/** A command as a client or a master sends it. Numbers are decimal text. */
export function resp(...words: readonly (Buffer | string | number)[]): Buffer {
  const parts = words.map((word) => (Buffer.isBuffer(word) ? word : Buffer.from(String(word))));
  return Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')]),
  ]);
}

/** Several commands, each as words between spaces. */
export function respLines(...lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map((line) => resp(...line.split(' '))));
}
