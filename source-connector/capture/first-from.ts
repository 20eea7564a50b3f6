/** Moments of a stream, by rising offsets. */
type Moments = readonly { readonly offset: number }[];

/** The index of the first moment whose offset is at least `offset`; their number where none is. */
export function firstFrom(moments: Moments, offset: number): number {
  let low = 0;
  let high = moments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((moments[middle]?.offset ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
