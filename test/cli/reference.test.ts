import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { referenceText } from '../../cli/reference.ts';

describe('docs/reference.md', () => {
  it('says what the code says of options, errors and metrics: else run node dist/cli/write-reference.js', async () => {
    const written = (await readFile(join('docs', 'reference.md'), 'utf8')).split('\n');
    const made = (await referenceText()).split('\n');
    // The lines that differ, not two whole files.
    assert.deepEqual(
      written.filter((line) => !made.includes(line)),
      [],
    );
    assert.deepEqual(
      made.filter((line) => !written.includes(line)),
      [],
    );
    assert.equal(written.length, made.length);
  });

  it('has options of every depth, so that a change in how schemas are written cannot empty it', async () => {
    const text = await referenceText();
    for (const option of [
      'pipeline',
      'kafka.topics.partitions',
      'mappings.<name>.fields',
      'sinks.<name>.versionColumn',
      'source.breaker.rows',
    ]) {
      assert.ok(text.includes(`| \`${option}\` |`), option);
    }
  });
});
