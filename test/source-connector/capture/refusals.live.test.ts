import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { RedisEndpoint } from '../../../clients/redis/index.ts';
import { openSession, type LinkOptions, type LinkSession } from '../../../source-connector/capture/link.ts';
import { freePort } from '../../../services/index.ts';
import { startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;

async function open(
  t: TestContext,
  endpoint: Partial<RedisEndpoint> & { readonly port: number },
  options: Partial<LinkOptions> = {},
): Promise<LinkSession> {
  const resolve = () => Promise.resolve({ host: '127.0.0.1', ...endpoint });
  const session = await openSession({ endpoint: resolve, ...options }, null, never);
  t.after(() => {
    session.close();
  });
  return session;
}

/** Something that is no Redis: it answers each connection with this text, or with nothing. */
async function startStranger(t: TestContext, answer: string): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => {
      if (answer !== '') socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

test('a wrong password, or none, is told from other refusals, and never shown', async (t) => {
  const redis = await startRedis(t, ['--requirepass', 'right-one', '--masterauth', 'right-one']);
  await assert.rejects(open(t, { port: redis.port, password: 'wrong-one' }), (error: Error) => {
    assert.match(error.message, /^REDIS_AUTH: AUTH was answered with "WRONGPASS .*\(redis 127\.0\.0\.1:\d+\)/);
    assert.doesNotMatch(error.message, /wrong-one/);
    return true;
  });
  await assert.rejects(open(t, { port: redis.port }), /REDIS_AUTH: PING was answered with "NOAUTH/);
  await assert.rejects(open(t, { port: redis.port, username: 'nobody', password: 'right-one' }), {
    code: 'REDIS_AUTH',
  });
  assert.equal((await open(t, { port: redis.port, password: 'right-one' })).answer.kind, 'full');
});

test('a secret is resolved anew for each session', async (t) => {
  const redis = await startRedis(t);
  await redis.client.config('SET', 'requirepass', 'second');
  const passwords = ['first', 'second'];
  const endpoint = () => Promise.resolve({ host: '127.0.0.1', port: redis.port, password: passwords.shift() });
  await assert.rejects(openSession({ endpoint }, null, never), { code: 'REDIS_AUTH' });
  const session = await openSession({ endpoint }, null, never);
  session.close();
});

test('an endpoint that cannot be resolved is not hidden', async () => {
  const endpoint = () => Promise.reject(new Error('no such secret'));
  await assert.rejects(openSession({ endpoint }, null, never), /no such secret/);
});

test('the least permissions that the remedy names are enough, and without PSYNC the remedy is told', async (t) => {
  const redis = await startRedis(t);
  await redis.client.call('ACL', 'SETUSER', 'enough', 'on', '>secret', '+psync', '+replconf', '+ping');
  await redis.client.call('ACL', 'SETUSER', 'less', 'on', '>secret', '+replconf', '+ping');
  await redis.client.call('ACL', 'SETUSER', 'none', 'on', '>secret');
  const as = (username: string) => open(t, { port: redis.port, username, password: 'secret' });
  assert.equal((await as('enough')).answer.kind, 'full');
  await assert.rejects(as('less'), /REDIS_NO_PSYNC: PSYNC .*NOPERM.*user less.*\+psync \+replconf \+ping/);
  await assert.rejects(as('none'), /REDIS_NO_PSYNC: PING .*NOPERM/);
});

test('a service without PSYNC is told from one without permission', async (t) => {
  const redis = await startRedis(t, ['--rename-command', 'PSYNC', '']);
  await assert.rejects(open(t, { port: redis.port }), /REDIS_NO_PSYNC: .*unknown command.*managed service/);
});

test('a server that loads its data is tried again', async (t) => {
  // DEBUG's own settings: each key takes 5 ms to load, and clients are heard in between.
  const slowly = ['--key-load-delay', '5000', '--loading-process-events-interval-bytes', '1024'];
  const redis = await startRedis(t, slowly);
  await redis.client.call('DEBUG', 'POPULATE', '2000', 'key', '100');
  await redis.client.save();
  await redis.server.kill();
  const started = redis.server.start();
  const error = await until('an answer while loading', async () => {
    const refusal: unknown = await open(t, { port: redis.port }).catch((thrown: unknown) => thrown);
    return refusal instanceof Error && !/REDIS_UNREACHABLE/.test(refusal.message) && refusal;
  });
  assert.match(error.message, /REDIS_LOADING: PING was answered with "LOADING/);
  await redis.server.kill();
  await assert.rejects(started);
});

test('a replica without its master is tried again', async (t) => {
  const nowhere = await freePort();
  const redis = await startRedis(t, ['--replicaof', '127.0.0.1', String(nowhere)]);
  await assert.rejects(open(t, { port: redis.port }), /REDIS_LOADING: PSYNC was answered with "NOMASTERLINK/);
});

test('a server with all its connections taken is tried again', async (t) => {
  const redis = await startRedis(t, ['--maxclients', '1']);
  await redis.client.ping();
  await assert.rejects(open(t, { port: redis.port }), { code: 'REDIS_LOADING' });
});

test('a port where nobody listens and a host without an address are unreachable', async (t) => {
  await assert.rejects(open(t, { port: await freePort() }), /REDIS_UNREACHABLE: .*ECONNREFUSED/);
  await assert.rejects(open(t, { host: 'redis.invalid', port: 6379 }), { code: 'REDIS_UNREACHABLE' });
});

test('what is no Redis is named, with what it said', async (t) => {
  const port = await startStranger(t, 'HTTP/1.1 400 Bad Request\r\n\r\n');
  await assert.rejects(open(t, { port }), /REDIS_PROTOCOL: "HTTP\/1\.1 400 Bad Request" arrived where a reply to PING/);
});

test('a server that accepts and never answers is given up', async (t) => {
  const port = await startStranger(t, '');
  await assert.rejects(open(t, { port }, { connectTimeoutMs: 1000 }), /REDIS_UNREACHABLE: .*without a word/);
});

test('an abort ends a handshake that hangs', async (t) => {
  const port = await startStranger(t, '');
  const abort = new AbortController();
  const endpoint = () => Promise.resolve({ host: '127.0.0.1', port });
  const onState = (state: string) => {
    if (state === 'handshake') abort.abort(new Error('enough'));
  };
  await assert.rejects(openSession({ endpoint, onState }, null, abort.signal), /enough/);
});

test('TLS carries a session; an untrusted certificate and a port without TLS are told apart', async (t) => {
  const folder = await certificate(t);
  if (folder === undefined) {
    t.skip('openssl is not installed, so there is no certificate');
    return;
  }
  const tlsPort = await freePort();
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const tlsArgs = ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', '--tls-ca-cert-file', paths.cert];
  const ownArgs = ['--tls-cert-file', paths.cert, '--tls-key-file', paths.key, '--rdbcompression', 'no'];
  const redis = await startRedis(t, [...tlsArgs, ...ownArgs]);
  const value = 'v'.repeat(200_000);
  await redis.client.hset('person:1', { biography: value });
  const ca = await readFile(paths.cert);
  const session = await open(t, { host: 'localhost', port: tlsPort, tls: { ca } }, { bufferBytes: 64 * 1024 });
  assert.equal(session.answer.kind, 'full');
  await until('the buffer is full', () => session.buffered >= 64 * 1024 || session.brokenBy !== undefined);
  assert.equal(session.answer.transfer.framing, 'eof');
  let rdb = Buffer.alloc(0);
  while (!rdb.includes(session.answer.transfer.mark)) {
    const chunk = await session.read();
    assert.ok(chunk !== null, String(session.brokenBy));
    rdb = Buffer.concat([rdb, chunk]);
  }
  session.snapshotRead();
  await redis.client.hset('person:2', { first_name: 'Grace' });
  let stream = '';
  while (!stream.includes('Grace')) stream += String(await session.read());
  await assert.rejects(open(t, { host: 'localhost', port: tlsPort, tls: {} }), /REDIS_TLS: .*self-signed/);
  const plain = open(t, { port: redis.port, tls: { ca } }, { connectTimeoutMs: 500 });
  await assert.rejects(plain, /REDIS_UNREACHABLE: .*no TLS handshake/);
  await assert.rejects(open(t, { port: tlsPort }), /REDIS_UNREACHABLE: .*without a word.*source\.tls/);
});

/** A folder with a certificate for localhost and its key, or undefined where nothing can make one. */
async function certificate(t: TestContext): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files], {
      stdio: 'ignore',
    });
    return folder;
  } catch {
    return undefined;
  }
}
