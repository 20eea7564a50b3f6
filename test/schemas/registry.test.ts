import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { test, type TestContext } from 'node:test';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { type RegistryOptions, SchemaRegistry } from '../../schemas/index.ts';

/** Something that answers every request with this status and body, as proxies and overloaded registries do. */
async function answering(t: TestContext, status: number, body: string) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { host: `127.0.0.1:${address.port}`, requests };
}

async function errorOf(
  url: string,
  call = (registry: SchemaRegistry): Promise<unknown> => registry.register('t-value', 'string'),
) {
  const error: unknown = await call(new SchemaRegistry(() => ({ url }))).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof AfterwriteError, `threw ${String(error)}`);
  return error;
}

test('what passes by itself is an outage, what a person must mend is not', async (t) => {
  const cases = [
    [500, 'REGISTRY_DOWN'],
    [503, 'REGISTRY_DOWN'],
    [429, 'REGISTRY_DOWN'],
    [401, 'REGISTRY_AUTH'],
    [403, 'REGISTRY_AUTH'],
    [404, 'REGISTRY_REFUSED'],
    [409, 'SCHEMA_INCOMPATIBLE'],
    [422, 'SCHEMA_INCOMPATIBLE'],
  ] as const;
  for (const [status, code] of cases) {
    const { host } = await answering(t, status, '{"error_code": 1, "message": "because"}');
    const error = await errorOf(`http://${host}/api`);
    assert.equal(error.code, code, `${status} became ${error.code}`);
    assert.match(error.what, /because/);
    assert.equal(error.where.subject, 't-value');
  }
});

test('a registry that is not there is an outage', async (t) => {
  const { host } = await answering(t, 200, '{}');
  const error = await errorOf(`http://${host.replace(/\d+$/, '1')}`);
  assert.equal(error.code, 'REGISTRY_DOWN');
  assert.equal(error.recovery, 'retry');
});

test('an answer that no registry gives is refused', async (t) => {
  const { host } = await answering(t, 200, '<html>Welcome</html>');
  assert.equal((await errorOf(`http://${host}`)).code, 'REGISTRY_REFUSED');
  assert.equal((await errorOf(`http://${host}`, (registry) => registry.schemaById(1))).code, 'REGISTRY_REFUSED');
  const other = await answering(t, 404, '{"error_code": 0, "message": "no such path"}');
  assert.equal((await errorOf(`http://${other.host}`, (registry) => registry.schemaById(1))).code, 'REGISTRY_REFUSED');
  assert.equal((await errorOf('no url')).code, 'REGISTRY_REFUSED');
});

test('credentials come from the options or the URL, anew for each request, and are in no message', async (t) => {
  const { host, requests } = await answering(t, 401, '{"message": "no"}');
  const options: RegistryOptions[] = [
    { url: `http://${host}/`, username: 'user', password: 'hunter2' },
    { url: `http://user:hunter%402@${host}` },
    { url: `http://${host}` },
  ];
  const left = [...options];
  const registry = new SchemaRegistry(() => left.shift() ?? { url: '' });
  for (const expected of ['Basic dXNlcjpodW50ZXIy', 'Basic dXNlcjpodW50ZXJAMg==', undefined]) {
    await assert.rejects(registry.schemaById(1), (error) => {
      assert.ok(error instanceof AfterwriteError && error.code === 'REGISTRY_AUTH');
      assert.doesNotMatch(error.message, /hunter/);
      return true;
    });
    assert.equal(requests.at(-1)?.headers.authorization, expected);
  }
  assert.equal(requests[0]?.url, '/schemas/ids/1');
});
