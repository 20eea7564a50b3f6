import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { createLogger, describeError } from '../../ops/logging.ts';

test('an error of ours is logged with its code, coordinates and remedy', () => {
  const error = new AfterwriteError('REGISTRY_DOWN', 'No answer', {
    where: { subject: 't-value', offset: 9_007_199_254_740_993n },
    cause: new Error('ECONNREFUSED'),
  });
  assert.deepEqual(describeError(error), {
    code: 'REGISTRY_DOWN',
    what: 'No answer',
    where: { subject: 't-value', offset: '9007199254740993' },
    remedy: error.remedy,
    because: 'ECONNREFUSED',
  });
  assert.match(String(describeError(new TypeError('a bug')).stack), /logging\.test/);
  assert.deepEqual(describeError('text'), { message: 'text' });
});

test('lines are JSON on stderr, at the level of LOG_LEVEL', () => {
  const script = `
    import { createLogger } from ${JSON.stringify(new URL('../../ops/logging.js', import.meta.url).href)};
    const log = createLogger('source');
    log.debug('quiet');
    log.warn({ err: new TypeError('x'), shard: 0 }, 'loud');
    process.kill(process.pid, 'SIGKILL');`;
  const run = (level: string) => {
    const env = { ...process.env, LOG_LEVEL: level };
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      env,
      encoding: 'utf8',
    });
    assert.equal(stdout, '');
    return stderr
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line));
  };
  const [line, ...more] = run('nonsense');
  assert.deepEqual(more, []);
  assert.ok(
    typeof line === 'object' && line !== null && 'name' in line && 'shard' in line && 'err' in line && 'msg' in line,
  );
  assert.deepEqual([line.name, line.shard, line.msg], ['source', 0, 'loud']);
  assert.equal(run('debug').length, 2);
  assert.equal(run('silent').length, 0);
});

test('a logger has children with their own coordinates', () => {
  assert.deepEqual(createLogger('sink.warehouse').child({ topic: 't' }).bindings(), {
    name: 'sink.warehouse',
    topic: 't',
  });
});
