/** How two maps of texts differ, at most ten entries of each kind; undefined when they are equal. */
export function difference(
  expected: ReadonlyMap<string, string>,
  actual: ReadonlyMap<string, string>,
): { missing: string[]; surplus: string[]; wrong: string[] } | undefined {
  const missing = [...expected.keys()].filter((key) => !actual.has(key));
  const surplus = [...actual.keys()].filter((key) => !expected.has(key));
  const wrong = [...expected].flatMap(([key, value]) => {
    const found = actual.get(key);
    return found === undefined || found === value ? [] : [`${key}: ${found} instead of ${value}`];
  });
  if (missing.length + surplus.length + wrong.length === 0) return undefined;
  return { missing: missing.slice(0, 10), surplus: surplus.slice(0, 10), wrong: wrong.slice(0, 10) };
}
