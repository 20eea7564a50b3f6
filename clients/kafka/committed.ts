import type { RecordBatch } from './record-batch.ts';

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/**
 * The batches of committed transactions and of none, as `read_committed` promises them.
 *
 * A broker lists aborted transactions by their ends, and kafkajs takes them in that order, so that with interleaved
 * transactions it hands out aborted records. By their first offsets is right, as in the Java client.
 * @param batches of one partition, ascending
 */
export function committedBatches<B extends Omit<RecordBatch, 'records'>>(
  batches: readonly B[],
  aborted: readonly AbortedTransaction[],
): B[] {
  const waiting = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<bigint>();
  let next = 0;
  return batches.filter((batch) => {
    for (let head = waiting[next]; head !== undefined && head.firstOffset <= batch.lastOffset; head = waiting[next]) {
      aborting.add(head.producerId);
      next += 1;
    }
    if (batch.isControl) {
      if (batch.isAbort) aborting.delete(batch.producerId);
      return false;
    }
    return !(batch.inTransaction && aborting.has(batch.producerId));
  });
}
