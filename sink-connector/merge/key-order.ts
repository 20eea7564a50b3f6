/** Below this many keys, a pass over all bytes' values costs more than comparing. */
const FEW = 256;
/** With keys that differ in more bytes than this, comparing them is faster than passing over each byte of all. */
const LONG = 64;

/**
 * The places of keys in the order of their characters, which are bytes; equal keys stay in the order they came in. Keys of
 * one topic are alike, and short behind what they have in common: they are sorted byte by byte, the last one first
 * (radix sort), at a third of what comparing costs.
 * @param keys Latin-1 texts
 */
export function keyOrder(keys: readonly string[]): Uint32Array {
  const order = Uint32Array.from(keys, (_, index) => index);
  const start = commonLength(keys);
  const end = keys.reduce((most, { length }) => Math.max(most, length), 0);
  if (keys.length >= FEW && end - start <= LONG) return byBytes(keys, order, start, end);
  return order.sort((a, b) => compare(keys[a] ?? '', keys[b] ?? '') || a - b);
}

/** @param start the keys do not differ before it @param end no key is longer */
function byBytes(keys: readonly string[], order: Uint32Array, start: number, end: number): Uint32Array {
  let from: Uint32Array = order;
  let to: Uint32Array = new Uint32Array(order.length);
  // How many keys have a smaller byte at the place; before 0, keys that end there.
  const places = new Uint32Array(258);
  for (let at = end - 1; at >= start; at--) {
    places.fill(0);
    for (const key of keys) add(places, rankOf(key, at) + 1, 1);
    for (let rank = 1; rank < places.length; rank++) add(places, rank, places[rank - 1] ?? 0);
    for (const index of from) {
      const rank = rankOf(keys[index] ?? '', at);
      to[places[rank] ?? 0] = index;
      add(places, rank, 1);
    }
    [from, to] = [to, from];
  }
  return from;
}

function add(counts: Uint32Array, index: number, more: number): void {
  counts[index] = (counts[index] ?? 0) + more;
}

/** A key that ends before the place comes before those that go on. */
function rankOf(key: string, at: number): number {
  return at < key.length ? key.charCodeAt(at) + 1 : 0;
}

/** How many characters all keys begin with. */
function commonLength(keys: readonly string[]): number {
  const [first = ''] = keys;
  let length = first.length;
  for (const key of keys) {
    let at = 0;
    while (at < length && at < key.length && key.charCodeAt(at) === first.charCodeAt(at)) at++;
    length = at;
  }
  return length;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
