import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDriver } from '../../../sink-connector/write/optional-driver.ts';

/** A package that is not installed; a variable, since the compiler looks for what stands in an import. */
const absent: string = 'no-such-driver';

test('a driver that is not installed is told with its kind of sink and the command', async () => {
  await assert.rejects(
    loadDriver('oracle', absent, () => import(absent)),
    {
      code: 'DRIVER_MISSING',
      message: /kind oracle need the package no-such-driver.*npm install no-such-driver$/,
    },
  );
});

test('another package that is missing, and an error of the driver itself, are told as they are', async () => {
  await assert.rejects(
    loadDriver('oracle', 'driver', () => import(absent)),
    { code: 'ERR_MODULE_NOT_FOUND' },
  );
  await assert.rejects(
    loadDriver('oracle', 'driver', () => Promise.reject(new Error('a driver that breaks'))),
    { message: 'a driver that breaks' },
  );
  assert.equal(await loadDriver('oracle', 'driver', () => Promise.resolve(7)), 7);
});
