import { EnvelopeEncoder, KeyEncoder, type Mapping } from '../../../schemas/index.ts';
import { MappingView, type MappingViewOptions } from '../../../source-connector/record/mapping-view.ts';

/** The ids that these views say their schemas have. */
export const KEY_SCHEMA = 11;
export const VALUE_SCHEMA = 12;

/** A mapping as fold sees it, as the pipeline wires it, but with schema ids that no registry gave. */
export function viewOf(mapping: Mapping, changes: Partial<MappingViewOptions> = {}): MappingView {
  const valueSchemaId = changes.valueSchemaId ?? VALUE_SCHEMA;
  return new MappingView({
    mapping,
    keys: new KeyEncoder(mapping, KEY_SCHEMA),
    envelopes: new EnvelopeEncoder(mapping, valueSchemaId),
    valueSchemaId,
    partitions: 4,
    maxRecordBytes: 1_048_576,
    stop: (key, { reason }) => {
      throw new Error(`stopped at ${key.toString()}: ${reason}`);
    },
    ...changes,
  });
}
