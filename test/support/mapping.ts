import { compileMapping, type Mapping, type MappingInput } from '../../schemas/index.ts';

/** A mapping with columns of several types, or with what a test wants instead. */
export function sampleMapping(changes: Partial<MappingInput> = {}, name = 'sample'): Mapping {
  return compileMapping(name, {
    key: 'sample:{region}:{id}',
    keyTypes: { id: 'long' },
    database: 0,
    topic: 'shop-eu.sample',
    table: 'samples',
    fields: {
      text: { column: 'a_text', type: 'string' },
      int: { column: 'an_int', type: 'int' },
      long: { column: 'a_long', type: 'long' },
      double: { column: 'a_double', type: 'double' },
      boolean: { column: 'a_boolean', type: 'boolean' },
      time: { column: 'a_time', type: 'timestamp' },
    },
    before: false,
    onBadValue: 'dead-letter',
    absentFields: 'null',
    removals: {
      deleted: 'delete',
      expired: 'keep',
      evicted: 'keep',
      flushed: 'keep',
      vanished: 'delete',
      ambiguous: 'keep',
    },
    ...changes,
  });
}
