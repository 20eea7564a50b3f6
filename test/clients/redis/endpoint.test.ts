import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, endpointOf, refusalOf } from '../../../clients/redis/index.ts';

const unset = { username: undefined, password: undefined, tls: undefined };

test('an endpoint is named by a URL or by its parts', () => {
  assert.deepEqual(endpointOf({ url: 'redis://cache' }), { ...unset, host: 'cache', port: 6379 });
  assert.deepEqual(endpointOf({ host: 'cache', port: 7000 }), { ...unset, host: 'cache', port: 7000 });
  const full = { host: 'cache', port: 7000, username: 'a', password: 'p@ss', tls: {} };
  assert.deepEqual(endpointOf({ url: 'rediss://a:p%40ss@cache:7000' }), full);
  assert.deepEqual(endpointOf({ host: 'cache', port: 7000, username: 'a', password: 'p@ss', tls: true }), full);
  assert.deepEqual(endpointOf({ url: 'redis://:secret@[::1]:7000' }), {
    ...unset,
    host: '::1',
    port: 7000,
    password: 'secret',
  });
});

test('what stands beside a URL wins', () => {
  const address = { url: 'redis://:old@cache', password: 'new', tls: { ca: 'pem' } };
  assert.deepEqual(endpointOf(address), { ...unset, host: 'cache', port: 6379, password: 'new', tls: { ca: 'pem' } });
});

test('a wrong URL is refused without repeating it', () => {
  for (const url of ['http://:secret@cache', 'redis://', 'secret', 'redis://:secret%@cache']) {
    assert.throws(
      () => endpointOf({ url }),
      (error: Error) => /CONFIG_INVALID/.test(error.message) && !/secret/.test(error.message),
    );
  }
  assert.throws(() => endpointOf({}), { code: 'CONFIG_INVALID' });
});

test('a URL for TLS beside tls: false is refused, never reached without TLS', () => {
  assert.throws(
    () => endpointOf({ url: 'rediss://:secret@cache', tls: false }),
    /CONFIG_INVALID: .*rediss.*tls is false/,
  );
  assert.deepEqual(endpointOf({ url: 'redis://cache', tls: true }).tls, {});
});

test('an address shows host and port, never a credential', () => {
  assert.equal(addressOf({ host: 'cache', port: 1, username: 'a', password: 'b' }), 'cache:1');
  assert.equal(addressOf({ host: '::1', port: 1 }), '[::1]:1');
});

for (const [reply, refusal] of [
  ['WRONGPASS invalid username-password pair or user is disabled.', 'auth'],
  ['NOAUTH Authentication required.', 'auth'],
  ['ERR invalid password', 'auth'],
  ['ERR Client sent AUTH, but no password is set', 'auth'],
  ['ERR AUTH <password> called without any password configured for the default user.', 'auth'],
  ['DENIED Redis is running in protected mode', 'auth'],
  ["NOPERM this user has no permissions to run the 'psync' command", 'permission'],
  ["ERR The user executing the script can't run this command or subcommand", 'permission'],
  [
    "EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command",
    'permission',
  ],
  ["ERR unknown command 'PSYNC', with args beginning with: '?' '-1' ", 'unknown-command'],
  ['ERR unknown command `PSYNC`, with args beginning with: `?`, `-1`, ', 'unknown-command'],
  ['ERR command is not allowed', 'unknown-command'],
  ['LOADING Redis is loading the dataset in memory', 'unavailable'],
  ['MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to no.', 'unavailable'],
  ["NOMASTERLINK Can't SYNC while not connected with my master", 'unavailable'],
  ['ERR max number of clients reached', 'unavailable'],
  ['ERR SYNC and PSYNC are invalid with pending output', 'other'],
  ['ERR syntax error', 'other'],
] as const) {
  test(`"${reply}" is sorted as ${refusal}`, () => {
    assert.equal(refusalOf(reply), refusal);
  });
}
