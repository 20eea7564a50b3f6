import { envelopeSchemaOf, keySchemaOf, keySubjectOf, valueSubjectOf, type AvroSchema } from './avro.ts';
import type { Mapping } from './mapping.ts';
import type { SchemaRegistry } from './registry.ts';

/** Ids under which the registry keeps the schemas of a mapping. */
export interface SchemaIds {
  readonly key: number;
  readonly value: number;
}

/**
 * Registers the schemas of a mapping's keys and events, or finds them. New versions must be able to read what older
 * ones wrote; registries that check nothing by default are told to check these subjects.
 * @throws SCHEMA_INCOMPATIBLE, and what else the registry throws.
 */
export async function registerSchemas(registry: SchemaRegistry, mapping: Mapping): Promise<SchemaIds> {
  const { topic } = mapping;
  return {
    key: await register(registry, keySubjectOf(topic), keySchemaOf(mapping)),
    value: await register(registry, valueSubjectOf(topic), envelopeSchemaOf(mapping)),
  };
}

async function register(registry: SchemaRegistry, subject: string, schema: AvroSchema): Promise<number> {
  // Some registries keep a level only for subjects that exist, so a new subject gets it after its first version.
  await requireCompatibility(registry, subject);
  const id = await registry.register(subject, schema);
  await requireCompatibility(registry, subject);
  return id;
}

/**
 * Sees to it that new versions are checked. A level that checks anything, the subject's own or the registry's, is left
 * as it is: somebody chose it, and not everybody may change it.
 */
async function requireCompatibility(registry: SchemaRegistry, subject: string): Promise<void> {
  const level = (await registry.compatibility(subject)) ?? (await registry.compatibility()) ?? 'NONE';
  if (level === 'NONE') await registry.setCompatibility('BACKWARD', subject);
}
