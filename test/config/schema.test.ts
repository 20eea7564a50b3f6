import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { configJsonSchema } from '../../config/schema.ts';

test('config/schema.json is what the code generates (node dist/config/write-schema.js writes it)', async () => {
  const published: unknown = JSON.parse(await readFile('config/schema.json', 'utf8'));
  assert.deepEqual(published, JSON.parse(JSON.stringify(configJsonSchema())));
});
