import { z } from 'zod';
import { kafka, registry } from './kafka.ts';
import { mapping } from './mapping.ts';
import { sinkKindOptions } from '../sink-connector/write/registry.ts';
import { source } from './source.ts';
import { topicSafeName } from './values.ts';

const [firstKind, ...otherKinds] = sinkKindOptions;
if (firstKind === undefined) throw new RangeError('there is no kind of sink');

export const sink = z.discriminatedUnion('kind', [firstKind, ...otherKinds]);

/** The one source of the configuration's types, of its validation and of config/schema.json. */
export const configSchema = z.strictObject({
  pipeline: topicSafeName.describe('name of the pipeline: prefix of its topics and of its transactional ids'),
  kafka,
  registry,
  source,
  mappings: z
    .record(topicSafeName, mapping)
    .refine((mappings) => Object.keys(mappings).length > 0, { error: 'at least one mapping' })
    .describe('which hashes become rows of which tables, by name'),
  sinks: z.record(topicSafeName, sink).default({}).describe('the databases to write, by name'),
});

/** What the schema makes of a file: defaults are filled in, except those that depend on other options. */
export type ParsedConfig = z.output<typeof configSchema>;
export type ParsedMapping = z.output<typeof mapping>;
export type ParsedSink = z.output<typeof sink>;

/** The published JSON schema of the configuration file (draft 2020-12). */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: 'input' });
  return {
    $schema,
    title: 'afterwrite',
    description:
      'Configuration of an afterwrite pipeline. Any text may hold ${env:NAME}, ${file:/path} and ${command:program parameters} references.',
    ...rest,
  };
}
