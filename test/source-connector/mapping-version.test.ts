import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions } from '../../source-connector/mapping-version.ts';

test('versions are compared by their numbers, and 99.99.99 is newer than any, itself included', () => {
  const rising = ['0.0.9', '0.1.0', '0.1.10', '0.10.0', '2.0.0', '10.0.0', '99.99.99'];
  for (const [index, version] of rising.entries()) {
    for (const older of rising.slice(0, index)) {
      assert.ok(compareVersions(version, older) > 0, `${version} above ${older}`);
      assert.ok(compareVersions(older, version) < 0, `${older} below ${version}`);
    }
  }
  assert.equal(compareVersions('1.2.3', '1.2.3'), 0);
  assert.ok(compareVersions('99.99.99', '99.99.99') > 0);
});
