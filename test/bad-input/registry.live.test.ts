import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { test, type TestContext } from 'node:test';
import { shared } from '../support/servers.ts';
import { assertNeverPrinted, Trial } from './trial.ts';

test('a registry that refuses the login, and a schema that is not compatible: named, and mended', async (t) => {
  const { url, user, password } = await startGuardedRegistry(t);
  const trial = await Trial.open(t);
  const { source, sink } = trial;
  const persons = await trial.writePersons(5);

  const secret = await trial.secret('registry-password', 'not-the-password');
  const settings = { registry: { url, username: user, password: secret } };
  await trial.configure(settings);
  const refused = await trial.refusal(source);
  assert.match(refused, /^REGISTRY_AUTH: .*\. Mend registry\.username and registry\.password/m);
  await trial.secret('registry-password', password);

  const subject = `${trial.pipeline}.person-value`;
  const foreign = { type: 'record', name: 'Invoice', fields: [{ name: 'amount', type: 'bytes' }] };
  await register(subject, foreign);
  const incompatible = await trial.refusal(source);
  assert.match(
    incompatible,
    new RegExp(`^SCHEMA_INCOMPATIBLE: .*subject ${subject}.*Undo the change of the mapping`, 'm'),
  );

  // The way out that the remedy names.
  await trial.configure({ ...settings, mappings: { person: { topic: `${trial.pipeline}.cars` } } });
  source.start();
  sink.start();
  await trial.untilPersons(persons);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
  assertNeverPrinted([source, sink], ['not-the-password', password]);
});

/** The registry that all tests share, behind a proxy that asks for a password. */
async function startGuardedRegistry(t: TestContext): Promise<{ url: string; user: string; password: string }> {
  const registry = new URL(shared('registry'));
  const [user, password] = ['app', 'the-password'];
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const proxy = createServer((incoming, outgoing) => {
    if (incoming.headers.authorization !== expected) {
      outgoing
        .writeHead(401, { 'content-type': 'application/json' })
        .end('{"error_code":401,"message":"Unauthorized"}');
      return;
    }
    const { method, url: path, headers } = incoming;
    const passedOn = request({ host: registry.hostname, port: registry.port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passedOn.on('error', () => outgoing.destroy());
    incoming.pipe(passedOn);
  });
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const address = proxy.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { url: `http://127.0.0.1:${address.port}${registry.pathname}`, user, password };
}

async function register(subject: string, schema: unknown): Promise<void> {
  const response = await fetch(`${shared('registry')}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  assert.ok(response.ok, await response.text());
}
