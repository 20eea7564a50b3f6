import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shared } from '../support/servers.ts';
import { assertNeverPrinted, Trial } from './trial.ts';

test('a Redis that is not there, a wrong password, no right to replicate, no Redis at all: named, and mended', async (t) => {
  const trial = await Trial.open(t);
  const { redis, source, sink } = trial;
  const { host } = new URL(redis.url);
  sink.start();

  // Nobody answers: waited for, and begun when it appears.
  await redis.server.kill();
  source.start();
  const away = await trial.untilTrouble('source', '/readyz', /REDIS_UNREACHABLE/);
  assert.match(away, new RegExp(`REDIS_UNREACHABLE: .*ECONNREFUSED.*\\(redis ${host}\\)\\. Check host and port`));
  await redis.server.start();
  const first = await trial.writePersons(3);
  await trial.untilPersons(first);
  assert.equal(source.lives, 1);
  await source.stop('SIGINT');

  // A wrong password ends the source; the right one, in the same file, is enough.
  await redis.client.config('SET', 'requirepass', 'the-right-one');
  await redis.client.auth('the-right-one');
  const second = await trial.writePersons(3, 4);
  const password = await trial.secret('redis-password', 'the-wrong-one');
  const settings = { source: { url: undefined, host: '127.0.0.1', port: redis.port, password } };
  await trial.configure(settings);
  const wrong = await trial.refusal(source);
  assert.match(
    wrong,
    new RegExp(`^REDIS_AUTH: AUTH was answered with "WRONGPASS .*\\(redis ${host}\\)\\. Check source\\.`, 'm'),
  );
  await trial.secret('redis-password', 'the-right-one');
  source.start();
  await trial.untilPersons([...first, ...second]);
  await source.stop('SIGINT');

  // A user who may not replicate: the rule that is missing is named, and enough.
  await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret-of-app', '~*', '+@all', '-psync', '-sync');
  const third = await trial.writePersons(3, 7);
  const secret = await trial.secret('app-password', 'secret-of-app');
  await trial.configure({ source: { url: `redis://app:${secret}@${host}` } });
  const denied = await trial.refusal(source);
  assert.match(denied, /^REDIS_NO_PSYNC: PSYNC was answered with "NOPERM .*user app\)\. .*ACL SETUSER <user> \+psync/m);
  await redis.client.call('ACL', 'SETUSER', 'app', '+psync');
  source.start();
  await trial.untilPersons([...first, ...second, ...third]);
  await source.stop('SIGINT');

  // A port that speaks something else.
  const { port } = new URL(shared('registry'));
  await trial.configure({ source: { url: `redis://127.0.0.1:${port}` } });
  assert.match(await trial.refusal(source), new RegExp(`^REDIS_PROTOCOL: .*Check that host and port`, 'm'));

  await sink.stop('SIGINT');
  assertNeverPrinted([source, sink], ['the-right-one', 'the-wrong-one', 'secret-of-app']);
});
