import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { AvroRow, Envelope, TopicRecord } from './topic-history.ts';

/** What the last event of a key says. */
export interface LastEvent {
  readonly keyRow: AvroRow;
  readonly version: number;
  /** Null after a delete. */
  readonly after: AvroRow | null;
}

/** What a topic's history comes to. */
export interface TopicFindings {
  readonly events: number;
  /** By op: how many. */
  readonly ops: Readonly<Record<string, number>>;
  /** By the key's bytes in hex. */
  readonly last: ReadonlyMap<string, LastEvent>;
  /** Versions and rows of each key, in order. */
  readonly histories: ReadonlyMap<string, readonly LastEvent[]>;
}

/**
 * Checks the whole history of a mapping's topic: no event twice, none out of order, none that says nothing new, but for those that a client waits for.
 *
 * @param records by partition, then by offset
 * @throws AssertionError that names the record
 */
export function auditTopic(topic: string, records: readonly TopicRecord[]): TopicFindings {
  const partitions = new Map<number, TopicRecord[]>();
  for (const record of records) {
    const one = partitions.get(record.partition);
    if (one === undefined) partitions.set(record.partition, [record]);
    else one.push(record);
  }
  const histories = new Map<string, LastEvent[]>();
  const ops: Record<string, number> = {};
  for (const one of partitions.values()) {
    const orders = new Map<unknown, PartitionOrder>();
    // Between a delete and its tombstone may stand what other shards have told of other keys.
    for (const ofKey of byKey(one).values()) {
      for (const [index, record] of ofKey.entries()) {
        if (record.event === null) checkTombstone(topic, record, ofKey[index - 1]);
        else if (record.event.op === 'd') checkDelete(topic, record, ofKey[index + 1]);
      }
    }
    for (const record of one) {
      const { event } = record;
      if (event === null) continue;
      const shard = event.source?.['shard'];
      const order = orders.get(shard) ?? new PartitionOrder(topic);
      orders.set(shard, order);
      order.check(record, event);
      let history = histories.get(record.key);
      if (history === undefined) histories.set(record.key, (history = []));
      checkNews(topic, record, event, history.at(-1));
      history.push({ keyRow: record.keyRow, version: event.version, after: event.after });
      ops[event.op] = (ops[event.op] ?? 0) + 1;
    }
  }
  const events = Object.values(ops).reduce((sum, count) => sum + count, 0);
  const last = new Map([...histories].flatMap(([key, history]) => history.slice(-1).map((event) => [key, event])));
  return { events, ops, last, histories };
}

function byKey(records: readonly TopicRecord[]): ReadonlyMap<string, readonly TopicRecord[]> {
  const keys = new Map<string, TopicRecord[]>();
  for (const record of records) {
    const before = keys.get(record.key);
    if (before === undefined) keys.set(record.key, [record]);
    else before.push(record);
  }
  return keys;
}

/**
 * Versions rise from event to event of a shard in a partition; within one replid, places in the stream never go back.
 */
class PartitionOrder {
  readonly #topic: string;
  readonly #offsets = new Map<string, number>();
  #version = 0;

  constructor(topic: string) {
    this.#topic = topic;
  }

  check(record: TopicRecord, { version, replid, offset, snapshot }: Envelope): void {
    const at = place(this.#topic, record);
    assert.ok(version > this.#version, `${at}: version ${version} does not rise above ${this.#version}`);
    this.#version = version;
    const reached = this.#offsets.get(replid) ?? 0;
    if (!snapshot) assert.ok(offset >= reached, `${at}: goes back from ${reached} to ${offset} in ${replid}`);
    this.#offsets.set(replid, Math.max(offset, reached));
  }
}

/** Only differences are published: a row is made once, changes when it changes, and goes once. */
function checkNews(topic: string, record: TopicRecord, event: Envelope, before: LastEvent | undefined): void {
  const at = place(topic, record);
  const had = before?.after ?? null;
  // A client that waits is told in any case (rule 22).
  const isAwaited = record.headers.acknowledge !== undefined;
  if (event.op === 'd') {
    assert.ok((had !== null || isAwaited) && event.after === null, `${at}: deletes a row that was not there`);
  }
  if (event.op === 'u') assert.ok(had !== null && event.after !== null, `${at}: changes a row that was not there`);
  if (event.op !== 'd' && event.op !== 'u') {
    assert.ok('cr'.includes(event.op), `${at}: has op ${event.op}`);
    assert.ok(had === null && event.after !== null, `${at}: makes a row that was there`);
  }
  // Whichever shards told them.
  assert.ok(event.version > (before?.version ?? -1), `${at}: its version rises above that of the event before it`);
  assert.ok(isAwaited || !isDeepStrictEqual(had, event.after), `${at}: says what the event before it said`);
  if (event.before !== null) assert.deepEqual(event.before, had, `${at}: before is what the last event said`);
}

function checkDelete(topic: string, record: TopicRecord, next: TopicRecord | undefined): void {
  const followed = next !== undefined && next.event === null;
  assert.ok(followed, `${place(topic, record)}: a delete is followed by its tombstone at once`);
}

function checkTombstone(topic: string, record: TopicRecord, previous: TopicRecord | undefined): void {
  const at = place(topic, record);
  const event = previous?.event;
  assert.ok(event?.op === 'd', `${at}: a tombstone follows the delete that it belongs to`);
  assert.equal(record.headers.version, event.version, `${at}: a tombstone has the version of its delete`);
  assert.ok(record.headers.cause !== undefined, `${at}: a tombstone names the cause`);
}

function place(topic: string, { partition, offset, keyRow, event }: TopicRecord): string {
  return `${topic} ${partition}@${offset} ${JSON.stringify(keyRow)} ${event?.op ?? 'tombstone'}`;
}
