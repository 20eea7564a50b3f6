import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { resolvePlace, resolveSecrets, unresolvedSecrets } from '../../config/index.ts';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { until } from '../support/until.ts';

const name = 'AFTERWRITE_TEST_SECRET';

/** A folder of the test. */
async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-secret-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('references are resolved anywhere in a value, anew at each call', async (t) => {
  const folder = await folderOf(t);
  t.after(() => delete process.env.AFTERWRITE_TEST_SECRET);
  const path = join(folder, 'password');
  const options = { port: 1, sasl: { password: `\${file:${path}}` }, list: [`a-\${env:${name}}-z`], tls: undefined };

  process.env[name] = 'one';
  await writeFile(path, 'first\n');
  assert.deepEqual(await resolveSecrets(options), {
    port: 1,
    sasl: { password: 'first' },
    list: ['a-one-z'],
    tls: undefined,
  });

  process.env[name] = 'two';
  await writeFile(path, ' second \r\n');
  assert.deepEqual(await resolveSecrets(options), {
    port: 1,
    sasl: { password: ' second ' },
    list: ['a-two-z'],
    tls: undefined,
  });
});

test('a secret in the login of a URL may hold any character', async (t) => {
  t.after(() => delete process.env.AFTERWRITE_TEST_SECRET);
  process.env[name] = 'p@s/s:$&%';
  const url = new URL(await resolveSecrets(`postgres://user:\${env:${name}}@host:5432/db`));
  assert.equal(decodeURIComponent(url.password), 'p@s/s:$&%');
  assert.equal(url.host, 'host:5432');
  process.env[name] = 'host:1';
  assert.equal(await resolveSecrets(`redis://user:pw@\${env:${name}}/0`), 'redis://user:pw@host:1/0');
});

/** The error, with its causes, of a text that cannot be resolved. */
async function unresolved(text: string): Promise<string> {
  try {
    return await resolveSecrets(text);
  } catch (error) {
    if (!(error instanceof AfterwriteError)) throw error;
    return [`${error.code} ${error.what}`, ...(error.cause === undefined ? [] : [reasonOf(error.cause)])].join(': ');
  }
}

test('a reference to nothing is an error that names the reference', async () => {
  assert.equal(
    await unresolved('${env:AFTERWRITE_NOT_SET}'),
    'SECRET_UNRESOLVED The environment variable AFTERWRITE_NOT_SET is not set',
  );
  assert.match(
    await unresolved('${file:/nowhere/x}'),
    /^SECRET_UNRESOLVED The file \/nowhere\/x cannot be read: ENOENT/,
  );
});

test('a command tells a secret: its words are split at blanks but for quotes, and no shell sees them', async () => {
  const told = await resolveSecrets({
    password: '${command:printf %s-%s\\n one "two  three"}',
    url: `postgres://app:\${command: echo  'p@s/s:$HOME;*' }@host/db`,
  });
  assert.equal(told.password, 'one-two  three');
  assert.equal(decodeURIComponent(new URL(told.url).password), 'p@s/s:$HOME;*');
});

test('a command is run anew for each attempt, and once for those at one time', async (t) => {
  const runs = join(await folderOf(t), 'runs');
  const text = `\${command:sh -c 'echo run >> ${runs}; sleep 0.2; wc -l < ${runs}'}`;
  const storm = await Promise.all(Array.from({ length: 50 }, () => resolveSecrets({ password: text, again: text })));
  assert.deepEqual([...new Set(storm.flatMap(({ password, again }) => [password.trim(), again.trim()]))], ['1']);
  assert.equal((await resolveSecrets(text)).trim(), '2', 'the attempt after it');
  assert.deepEqual(unresolvedSecrets({ text }), [], 'a look at the configuration');
  assert.equal(await readFile(runs, 'utf8'), 'run\nrun\n');
});

test('a command that fails is an error that names it, and shows nothing that it said', async () => {
  const cases = [
    ["sh -c 'echo hunter2; echo hunter3 >&2; exit 3'", /^SECRET_COMMAND .* has ended with 3$/],
    ["sh -c 'echo hunter2; kill -9 $$'", /^SECRET_COMMAND .* was ended by SIGKILL$/],
    ['echo', /^SECRET_COMMAND \$\{command:echo\} says nothing$/],
    ['no-such-program -x', /^SECRET_UNRESOLVED \$\{command:no-such-program -x\} cannot be run: .*ENOENT/],
    ["sh -c 'exit", /^SECRET_UNRESOLVED .* has a quote that is not closed$/],
    [' ', /^SECRET_UNRESOLVED .* names no program$/],
    ['head -c 2000000 /dev/zero', /^SECRET_COMMAND .* says more than a secret can be, and was killed$/],
  ] as const;
  for (const [command, expected] of cases) {
    const said = await unresolved(`\${command:${command}}`);
    assert.match(said, expected);
    assert.doesNotMatch(said.replace(command, ''), /hunter/);
  }
  assert.deepEqual(unresolvedSecrets(['${command:"x}']), ['${command:"x} has a quote that is not closed']);
  assert.throws(() => resolvePlace('/state/${command:hostname}'), /^AfterwriteError: SECRET_UNRESOLVED/);
});

test('a command that is late is killed, with what it has started', async (t) => {
  const pids = join(await folderOf(t), 'pids');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const late = unresolved(`\${command:sh -c 'sleep 1000 & echo $$ $! > ${pids}; echo hunter2; wait'}`);
  let started: number[] = [];
  while (started.length < 2) {
    await new Promise(setImmediate);
    started = (await readFile(pids, 'utf8').catch(() => '')).split(/\s/).filter(Boolean).map(Number);
  }
  t.mock.timers.tick(10_000);
  assert.match(await late, /^SECRET_COMMAND .* has not ended within 10 s, and was killed$/);
  t.mock.timers.reset();
  await until('their end', async () => {
    const states = started.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ' Z '));
    return (await Promise.all(states)).every((state) => state.includes(' Z '));
  });
});
