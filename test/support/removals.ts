/** `source.removals` under which every removal deletes its row, so that rows equal hashes exactly. */
export const allDelete = {
  deleted: 'delete',
  expired: 'delete',
  evicted: 'delete',
  flushed: 'delete',
  vanished: 'delete',
  ambiguous: 'delete',
} as const;
