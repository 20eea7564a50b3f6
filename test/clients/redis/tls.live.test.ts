import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import tls from 'node:tls';
import { ControlConnection, type RedisEndpoint, type RedisTls } from '../../../clients/redis/index.ts';
import { openSession } from '../../../source-connector/capture/link.ts';
import { freePort } from '../../../services/index.ts';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;

/** A first answer from a server, on the replication link and on a connection for commands. */
const ways = {
  'the replication link': async (endpoint: RedisEndpoint): Promise<string> => {
    const session = await openSession({ endpoint: () => Promise.resolve(endpoint) }, null, never);
    session.close();
    return session.answer.kind;
  },
  'a control connection': async (endpoint: RedisEndpoint): Promise<string> => {
    const connection = await ControlConnection.open(endpoint);
    try {
      return String(await connection.call('PING'));
    } finally {
      connection.close();
    }
  },
};
const answers = { 'the replication link': 'full', 'a control connection': 'PONG' };

for (const way of ['the replication link', 'a control connection'] as const) {
  suite(`TLS of ${way}`, () => {
    const scope = { after: (close: () => Promise<void>): void => void closers.push(close) };
    const closers: (() => Promise<void>)[] = [];
    let authority: Authority, stranger: Authority, client: Certificate, foreign: Certificate;
    let open: number, strict: number;
    const reach = (port: number, parts: RedisTls, host = '127.0.0.1'): Promise<string> =>
      ways[way]({ host, port, tls: parts });

    before(async () => {
      authority = await Authority.create(scope);
      stranger = await Authority.create(scope);
      const server = await authority.issue('server', 'IP:127.0.0.1', 'DNS:cache.example');
      client = await authority.issue('client');
      foreign = await stranger.issue('foreign');
      const start = async (clients: string): Promise<number> => {
        const port = await freePort();
        const files = ['--tls-cert-file', server.certFile, '--tls-key-file', server.keyFile];
        const trust = ['--tls-ca-cert-file', authority.certificate.certFile, '--tls-auth-clients', clients];
        await startRedis(scope, ['--tls-port', String(port), ...files, ...trust]);
        return port;
      };
      open = await start('no');
      strict = await start('yes');
    });

    after(async () => {
      for (const close of closers) await close();
    });

    test('a server is believed by its authority, and by name or address', async () => {
      const ca = authority.certificate.cert;
      assert.equal(await reach(open, { ca }), answers[way]);
      assert.equal(await reach(open, { ca, servername: 'cache.example' }), answers[way]);
      assert.equal(await reach(open, { rejectUnauthorized: false }), answers[way]);
    });

    test('a certificate of an unknown authority, or of another name, is refused', async () => {
      const ca = authority.certificate.cert;
      await assert.rejects(reach(open, {}), /REDIS_TLS: .*(self-signed|unable to)/);
      await assert.rejects(reach(open, { ca: stranger.certificate.cert }), /REDIS_TLS: /);
      await assert.rejects(reach(open, { ca, servername: 'other.example' }), /REDIS_TLS: .*other\.example/);
      await assert.rejects(reach(open, { ca }, 'localhost'), /REDIS_TLS: .*localhost/);
    });

    test('a client certificate is shown; without it, or with a foreign one, TLS is named', async () => {
      const ca = authority.certificate.cert;
      assert.equal(await reach(strict, { ca, cert: client.cert, key: client.key }), answers[way]);
      // A server that closes at once may cut off its own alert: then a later attempt is told.
      const refusal = (parts: RedisTls): Promise<Error> =>
        until('a refusal by TLS', async () => {
          const error: unknown = await reach(strict, parts).then(String, (thrown: unknown) => thrown);
          assert.ok(error instanceof Error, `it was taken: ${String(error)}`);
          return /REDIS_TLS/.test(error.message) ? error : Promise.reject(error);
        });
      assert.match((await refusal({ ca })).message, /certificate required/i);
      assert.match((await refusal({ ca, cert: foreign.cert, key: foreign.key })).message, /REDIS_TLS: .*unknown ca/);
    });

    test('parts that are no PEM, or do not belong together, are named before anything is sent', async () => {
      const { cert } = client;
      await assert.rejects(reach(open, { cert: 'nonsense', key: 'nonsense' }), /REDIS_TLS: source\.tls cannot be used/);
      await assert.rejects(reach(open, { cert, key: foreign.key }), /REDIS_TLS: source\.tls cannot be used.*mismatch/);
    });

    test('the server is told the name that is meant', async (t) => {
      const { cert, key } = await authority.issue('named', 'DNS:localhost', 'DNS:cache.example');
      const server = tls.createServer({ cert, key }, (socket) => socket.destroy()).listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.close());
      const address = server.address();
      assert.ok(typeof address === 'object' && address !== null);
      const named = async (parts: RedisTls, host: string): Promise<unknown> => {
        const connected = new Promise((resolve) => {
          server.once('secureConnection', (socket) => {
            resolve('servername' in socket ? socket.servername : undefined);
          });
        });
        await reach(address.port, { ca: authority.certificate.cert, ...parts }, host).catch(() => undefined);
        return await connected;
      };
      assert.equal(await named({}, 'localhost'), 'localhost');
      assert.equal(await named({ servername: 'cache.example' }, '127.0.0.1'), 'cache.example');
    });
  });
}
