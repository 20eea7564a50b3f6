import { z } from 'zod';
import { PartitionReader, readToEnd } from '../clients/kafka/index.ts';
import { loadConfig, resolveSecrets, type SinkConfig } from '../config/index.ts';
import { EventDecoder, type EventRecord, SchemaRegistry } from '../schemas/index.ts';
import type { Change } from '../sink-connector/decode/change.ts';
import { decodeRecords } from '../sink-connector/decode/records.ts';
import { lastEvents, type MergedChanges } from '../sink-connector/merge/last-event.ts';
import { sinkTargets, type SinkTarget } from '../sink-connector/targets.ts';
import type { Dialect } from '../sink-connector/write/port.ts';
import { createDialect } from '../sink-connector/write/registry.ts';
import { loadDatabaseKind } from './databases/index.ts';

/** What the process is asked for: one argument, as JSON. */
const rawFillTask = z.object({
  configFile: z.string(),
  /** The sink of the configuration that says what to write where. */
  sink: z.string(),
  broker: z.string(),
  /** Where its database is. */
  address: z.string(),
  /** Whose statements: those of the sink's dialect, or the plainest ones of its driver. */
  statements: z.enum(['dialect', 'driver']),
});
export type RawFillTask = z.infer<typeof rawFillTask>;

/** Writes one batch, and returns when it is committed. */
type Write = () => Promise<unknown>;

/**
 * The limit of a sink: its batches, decoded and merged in memory before the first is written, on a connection for each
 * partition, and no offsets.
 */
async function fillRaw({ configFile, sink, broker, address, statements }: RawFillTask): Promise<void> {
  const config = await loadConfig(configFile);
  const options = config.sinks[sink];
  if (options === undefined) throw new RangeError(`the configuration has no sink ${sink}`);
  const [target] = sinkTargets(config, options);
  if (target === undefined) throw new RangeError(`the sink ${sink} has no table`);
  const registry = new SchemaRegistry(() => resolveSecrets(config.registry));
  const partitions = await batchesOf({ broker, target, registry, rows: options.batch.rows });
  // The dialect makes the table in both cases, so that it is the same.
  const dialect = await createDialect(sink, options);
  const problems = await dialect.prepare([target.table], { create: true, evolve: false });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const prepared = partitions.map((batches) =>
    statements === 'dialect'
      ? dialectWrites(dialect, target, batches)
      : driverWrites(options, address, target, batches),
  );
  const ready = await Promise.all(prepared);
  await Promise.all(
    ready.map(async ({ writes, close }) => {
      for (const write of writes) await write();
      await close();
    }),
  );
}

interface Prepared {
  readonly writes: readonly Write[];
  readonly close: () => Promise<unknown>;
}

async function dialectWrites(
  dialect: Dialect,
  { table }: SinkTarget,
  batches: readonly MergedChanges[],
): Promise<Prepared> {
  const session = await dialect.connect();
  const writes = batches.map((batch) => async () => {
    await session.begin();
    await session.apply(table, batch);
    await session.commit();
  });
  return { writes, close: () => session.close() };
}

async function driverWrites(
  { kind }: SinkConfig,
  address: string,
  { table }: SinkTarget,
  batches: readonly MergedChanges[],
): Promise<Prepared> {
  const writer = await (await loadDatabaseKind(kind)).bulkWriter(address, table.name);
  const writes = batches.map(({ upserts }) =>
    writer.prepare(Array.from(upserts, ({ keyValues, values }) => [...keyValues, ...(values ?? [])])),
  );
  return { writes, close: () => writer.close() };
}

interface Source {
  readonly broker: string;
  readonly target: SinkTarget;
  readonly registry: SchemaRegistry;
  readonly rows: number;
}

async function batchesOf({ broker, target, registry, rows }: Source): Promise<MergedChanges[][]> {
  const reader = await PartitionReader.open({ resolve: () => Promise.resolve({ brokers: [broker] }) });
  const decoder = new EventDecoder(target.mapping, registry);
  const { topic } = target.table;
  const partitions: MergedChanges[][] = [];
  for (const partition of await reader.partitions(topic)) {
    const records: EventRecord[] = [];
    await readToEnd(reader, { topic, partition }, (record) => {
      records.push(record);
    });
    const batches: MergedChanges[] = [];
    for (let at = 0; at < records.length; at += rows) {
      const { changes } = await decodeRecords(decoder, [records.slice(at, at + rows)], false);
      const { upserts, deletes } = lastEvents(changes, false);
      batches.push({ upserts: Array.from(upserts, read), deletes: Array.from(deletes, read) });
    }
    partitions.push(batches);
  }
  await reader.close();
  return partitions;
}

/** The same change, with values that were read once. */
function read({ key, keyText, keyValues, isRemoval, isTombstone, values, version, offset }: Change): Change {
  return { key, keyText, keyValues, isRemoval, isTombstone, values, version, offset };
}

const [argument = ''] = process.argv.slice(2);
await fillRaw(rawFillTask.parse(JSON.parse(argument)));
