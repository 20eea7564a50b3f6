import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envelopeSchemaOf, keySchemaOf, keySubjectOf, namespaceOf, valueSubjectOf } from '../../schemas/index.ts';
import { avroType } from '../../schemas/avro-type.ts';
import { sampleMapping } from '../support/mapping.ts';

test('names are those that Debezium gives', () => {
  assert.equal(namespaceOf('shop.person'), 'shop.person');
  assert.equal(namespaceOf('shop-eu.2nd..x'), 'shop_eu._2nd._.x');
  const mapping = sampleMapping();
  assert.equal(avroType(JSON.stringify(keySchemaOf(mapping))).name, 'shop_eu.sample.Key');
  assert.equal(avroType(JSON.stringify(envelopeSchemaOf(mapping))).name, 'shop_eu.sample.Envelope');
  assert.equal(keySubjectOf('t'), 't-key');
  assert.equal(valueSubjectOf('t'), 't-value');
});

test('the envelope is what Debezium-aware readers expect', () => {
  const mapping = sampleMapping({ fields: { time: { column: 'at', type: 'timestamp' } } });
  const schema: unknown = JSON.parse(JSON.stringify(envelopeSchemaOf(mapping)));
  assert.ok(typeof schema === 'object' && schema !== null && 'fields' in schema && Array.isArray(schema.fields));
  const fields: unknown[] = schema.fields;
  assert.deepEqual(
    { ...schema, fields: [] },
    {
      type: 'record',
      name: 'Envelope',
      namespace: 'shop_eu.sample',
      fields: [],
      'connect.name': 'shop_eu.sample.Envelope',
      'connect.version': 1,
    },
  );
  assert.deepEqual(fields[0], {
    name: 'before',
    type: [
      'null',
      {
        type: 'record',
        name: 'Value',
        namespace: 'shop_eu.sample',
        fields: [
          { name: 'region', type: 'string' },
          { name: 'id', type: 'long' },
          {
            name: 'at',
            type: [
              'null',
              {
                type: 'long',
                logicalType: 'timestamp-micros',
                'connect.version': 1,
                'connect.name': 'io.debezium.time.MicroTimestamp',
              },
            ],
            default: null,
          },
        ],
        'connect.name': 'shop_eu.sample.Value',
      },
    ],
    default: null,
  });
  assert.deepEqual(fields[1], { name: 'after', type: ['null', 'shop_eu.sample.Value'], default: null });
});

test('rule 12: the key schema does not depend on the fields of the mapping', () => {
  const one = keySchemaOf(sampleMapping());
  const other = keySchemaOf(
    sampleMapping({
      fields: { x: { column: 'x', type: 'int' } },
      before: true,
      database: 3,
      table: 't',
      onBadValue: 'stop',
    }),
  );
  assert.equal(JSON.stringify(one), JSON.stringify(other));
});
