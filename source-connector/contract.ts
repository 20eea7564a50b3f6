import { createHash } from 'node:crypto';
import { AfterwriteError } from '../ops/errors/index.ts';
import { registerSchemas, type Mapping, type SchemaRegistry } from '../schemas/index.ts';
import { beginsWith } from './bytes.ts';
import type { CapturesKey } from './decode/ports.ts';
import type { FrozenMapping } from './position.ts';
import { stagedPrefix } from './staged-key.ts';

/** A mapping with what Kafka and the registry have agreed to. */
export interface Contract {
  readonly mapping: Mapping;
  readonly keySchemaId: number;
  readonly valueSchemaId: number;
  readonly frozen: FrozenMapping;
}

/** Registers the schemas of every mapping. @throws REGISTRY_DOWN, SCHEMA_INCOMPATIBLE, REGISTRY_AUTH, REGISTRY_REFUSED */
export async function agreeOnSchemas(
  mappings: readonly Mapping[],
  partitions: number,
  registry: SchemaRegistry,
): Promise<Contract[]> {
  const contracts: Contract[] = [];
  for (const mapping of mappings) {
    const { key: keySchemaId, value: valueSchemaId } = await registerSchemas(registry, mapping);
    const { topic, database, version } = mapping;
    contracts.push({
      mapping,
      keySchemaId,
      valueSchemaId,
      frozen: {
        topic,
        database,
        key: mapping.key.text,
        partitions,
        keySchemaId,
        fingerprint: fingerprintOf(mapping),
        ...(version === undefined ? {} : { version, content: contentOf(mapping) }),
      },
    });
  }
  return contracts;
}

/** @throws AfterwriteError KEY_CHANGED when something differs that must never change while a topic lives (rule 12) */
export function checkFrozen(mapping: string, before: FrozenMapping, now: FrozenMapping): void {
  const changed = changeOf(before, now);
  if (changed === undefined) return;
  throw new AfterwriteError(
    'KEY_CHANGED',
    `the mapping ${mapping} writes to a topic with other keys than before: ${changed}`,
    { where: { topic: now.topic } },
  );
}

/** What of a topic's keys is not what it was: other hashes under equal keys would share their rows. */
function changeOf(before: FrozenMapping, now: FrozenMapping): string | undefined {
  if (before.keySchemaId !== now.keySchemaId) {
    return `its key schema had id ${before.keySchemaId} and now has ${now.keySchemaId}`;
  }
  if (before.partitions !== now.partitions) {
    return `it had ${before.partitions} partitions and now is to have ${now.partitions}`;
  }
  if (before.key !== now.key) return `it had the keys ${before.key} and now is to have ${now.key}`;
  if (before.database !== now.database) return `it read database ${before.database} and now is to read ${now.database}`;
  return undefined;
}

/** What the keys of a mapping begin with; `staged`: and those at which its rows are written through. */
export function prefixesOf({ key, writeThroughMs }: Mapping, { staged = false } = {}): readonly Buffer[] {
  return staged && writeThroughMs !== undefined ? [key.prefix, stagedPrefix(key.prefix)] : [key.prefix];
}

/** Whether a key begins with such a prefix of some mapping, in whatever database it stands. */
export function captureOf(mappings: readonly Mapping[], which: { staged?: boolean } = {}): CapturesKey {
  const prefixes = mappings.flatMap((mapping) => prefixesOf(mapping, which));
  return (bytes, start, end) => {
    for (const prefix of prefixes) if (beginsWith(bytes, start, end, prefix)) return true;
    return false;
  };
}

/** Names what of a mapping decides which hashes are captured and how they become rows. */
function fingerprintOf(mapping: Mapping): string {
  return digestOf(factsOf(mapping));
}

/** Names all that a mapping says. */
function contentOf(mapping: Mapping): string {
  const { table, key, database, before, removals } = mapping;
  return digestOf({ ...factsOf(mapping), table, key: key.text, database, before, removals });
}

function factsOf(mapping: Mapping): object {
  return {
    keyColumns: mapping.keyColumns,
    fields: mapping.fields.map(({ field, column, type }) => [field?.toString('base64') ?? null, column, type]),
    onBadValue: mapping.onBadValue,
    ...(mapping.absentFields === 'keep' ? { absentFields: 'keep' } : {}),
    ...(mapping.operations ? { operations: true } : {}),
  };
}

function digestOf(facts: object): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}
