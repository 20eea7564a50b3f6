import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveSecrets } from '../../config/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';

const name = 'AFTERWRITE_TEST_SECRET';

test('references are resolved anywhere in a value, anew at each call', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-secret-'));
  t.after(() => rm(folder, { recursive: true }));
  t.after(() => delete process.env.AFTERWRITE_TEST_SECRET);
  const path = join(folder, 'password');
  const options = { port: 1, sasl: { password: `\${file:${path}}` }, list: [`a-\${env:${name}}-z`], tls: undefined };

  process.env[name] = 'one';
  await writeFile(path, 'first\n');
  assert.deepEqual(resolveSecrets(options), {
    port: 1,
    sasl: { password: 'first' },
    list: ['a-one-z'],
    tls: undefined,
  });

  process.env[name] = 'two';
  await writeFile(path, ' second \r\n');
  assert.deepEqual(resolveSecrets(options), {
    port: 1,
    sasl: { password: ' second ' },
    list: ['a-two-z'],
    tls: undefined,
  });
});

test('a secret in the login of a URL may hold any character', (t) => {
  t.after(() => delete process.env.AFTERWRITE_TEST_SECRET);
  process.env[name] = 'p@s/s:$&%';
  const url = new URL(resolveSecrets(`postgres://user:\${env:${name}}@host:5432/db`));
  assert.equal(decodeURIComponent(url.password), 'p@s/s:$&%');
  assert.equal(url.host, 'host:5432');
  process.env[name] = 'host:1';
  assert.equal(resolveSecrets(`redis://user:pw@\${env:${name}}/0`), 'redis://user:pw@host:1/0');
});

test('a reference to nothing is an error that names the reference', () => {
  const unresolved = (text: string): unknown => {
    try {
      return resolveSecrets(text);
    } catch (error) {
      return error instanceof AfterwriteError ? `${error.code} ${error.what}` : error;
    }
  };
  assert.equal(
    unresolved('${env:AFTERWRITE_NOT_SET}'),
    'SECRET_UNRESOLVED The environment variable AFTERWRITE_NOT_SET is not set',
  );
  assert.equal(unresolved('${file:/nowhere/x}'), 'SECRET_UNRESOLVED The file /nowhere/x cannot be read');
});
