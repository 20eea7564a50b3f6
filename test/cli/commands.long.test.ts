import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { projectFolder } from '../../services/folders.ts';
import { run, type Outcome } from '../../services/programs.ts';
import { sinkKinds } from '../../sink-connector/write/registry.ts';
import { bytes, i64, rdbFile, rdbLength, rdbString } from '../support/rdb-bytes.ts';

/** The command as users run it. */
async function afterwrite(...args: readonly string[]): Promise<Outcome> {
  return await run(process.execPath, [join(projectFolder, 'cli', 'bin.mjs'), ...args]);
}

async function fileOf(t: TestContext, name: string, content: string | Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-cli-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, name);
  await writeFile(file, content);
  return file;
}

const right = `
pipeline: shop
kafka: { brokers: [127.0.0.1:1] }
registry: { url: http://127.0.0.1:1 }
source: { url: 'redis://:\${env:AFTERWRITE_NOT_SET}@127.0.0.1:1' }
mappings:
  person: { key: 'person:{person_id}', fields: { first_name: first } }
sinks:
  warehouse: { kind: postgres, url: 'postgres://app:\${file:/no/such/file}@127.0.0.1:1/shop' }
`;

test('--help names the commands, --version the version, and nothing at all is no command', async () => {
  const [help, ofSource, ofVersion, nothing] = await Promise.all([
    afterwrite('--help'),
    afterwrite('source', '--help'),
    afterwrite('--version'),
    afterwrite(),
  ]);
  assert.equal(help.code, 0);
  for (const command of ['source', 'sink', 'run', 'replay', 'inspect', 'import-rgsync', 'check'])
    assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  assert.equal(ofSource.code, 0);
  for (const option of ['--config <file>', '--confirm-vanished <rows>', '--resync'])
    assert.ok(ofSource.stdout.includes(option));
  const description = await readFile(join(projectFolder, 'package.json'), 'utf8');
  const [, version] = /"version": "(.*)"/.exec(description) ?? [];
  assert.deepEqual(ofVersion, { code: 0, stdout: `${version ?? '?'}\n`, stderr: '' });
  assert.equal(nothing.code, 1);
  assert.match(nothing.stderr, /^Usage: afterwrite/);
});

test('what is no command, no option, or not enough, is named', async (t) => {
  const cases = [
    [['sorce'], /unknown command 'sorce'\n\(Did you mean source\?\)/],
    [['sink'], /missing required argument 'name'/],
    [['source', '--confirm-vanished', 'all'], /'--confirm-vanished <rows>'.*it must be a number of rows/],
    [
      ['sink', 'wharehouse', '-c', await fileOf(t, 'a.yaml', right)],
      /^CONFIG_INVALID: There is no sink wharehouse; there are: warehouse/,
    ],
  ] as const;
  const outcomes = cases.map(async ([args, message]) => {
    const { code, stdout, stderr } = await afterwrite(...args);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.match(stderr, message);
  });
  await Promise.all(outcomes);
});

test('check tells every problem with its path, its value and what is allowed, and no secret', async (t) => {
  const wrong = `
pipeline: my shop
kafka: { brokers: [], sasl: { mechanism: plain, username: app, password: [hunter2] } }
registry: { url: 'ftp://app:hunter3@registry' }
source: { url: 'redis://:hunter4@127.0.0.1:99999', bacth: {} }
mappings:
  person: { key: person, fields: { age: { type: integer } }, onBadValue: ignore }
sinks:
  warehouse: { kind: postgress, url: 'postgres://app:hunter5@pg/shop' }
`;
  const { code, stdout, stderr } = await afterwrite('check', '-c', await fileOf(t, 'wrong.yaml', wrong));
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^CONFIG_INVALID: .*wrong\.yaml has \d+ problems:\n/);
  const paths = [
    'pipeline',
    'kafka.brokers',
    'kafka.sasl.password',
    'registry.url',
    'source.url',
    'source.bacth',
    'mappings.person.key',
    'mappings.person.fields.age.type',
    'mappings.person.onBadValue',
    'sinks.warehouse.kind',
  ];
  for (const path of paths) {
    const line = stderr.split('\n').find((text) => text.startsWith(`  - ${path}, line `));
    assert.match(line ?? stderr, /: .+; allowed: .+/, path);
  }
  assert.match(stderr, /"integer"; allowed: .*int/);
  assert.doesNotMatch(stderr, /hunter/);
});

test('check says that a file is right, and which secrets are not there; a process does not start without its own', async (t) => {
  const file = await fileOf(t, 'right.yaml', right);
  const checked = await afterwrite('check', '-c', file);
  assert.deepEqual([checked.code, checked.stderr], [0, '']);
  const [before = '', drivers = ''] = checked.stdout.split('Drivers:\n');
  assert.equal(
    before,
    `${file} is right.\nNot there now: The environment variable AFTERWRITE_NOT_SET is not set.\n` +
      'Not there now: The file /no/such/file cannot be read.\n' +
      'Kafka: 127.0.0.1:1\nSchema registry: url http://127.0.0.1:1\n' +
      'Source: url redis://127.0.0.1:1: person:{person_id} → shop.person\n' +
      'Sink warehouse: postgres, url postgres://127.0.0.1:1/shop, schema public: person → person\n',
  );
  for (const kind of sinkKinds)
    assert.match(drivers, new RegExp(`^  ${kind}: (missing: npm install )?[a-z0-9-]+`, 'm'));
  assert.match(drivers, /^ {2}postgres: pg 8\.\d+\.\d+$/m);
  const source = await afterwrite('source', '-c', file);
  assert.equal(source.code, 1);
  assert.match(
    source.stderr,
    /^SECRET_UNRESOLVED: The environment variable AFTERWRITE_NOT_SET is not set \(file .*right\.yaml\)\. Set the/,
  );
  const sink = await afterwrite('sink', 'warehouse', '-c', file);
  assert.equal(sink.code, 1);
  assert.match(sink.stderr, /^SECRET_UNRESOLVED: The file \/no\/such\/file cannot be read \(/);
});

test('check ends with 1 where a sink lacks its driver, and says how to install it; no password is shown', async (t) => {
  // The program where all packages but one are installed.
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-cli-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const part of ['cli', 'clients', 'config', 'ops', 'schemas', 'sink-connector', 'source-connector'])
    await cp(join(projectFolder, 'dist', part), join(folder, 'dist', part), { recursive: true });
  for (const file of ['package.json', join('cli', 'bin.mjs')]) await cp(join(projectFolder, file), join(folder, file));
  const packages = join(projectFolder, 'node_modules');
  await mkdir(join(folder, 'node_modules'));
  for (const name of await readdir(packages)) {
    if (name !== 'mysql2') await symlink(join(packages, name), join(folder, 'node_modules', name));
  }
  const check = async (url: string): Promise<Outcome> => {
    const file = await fileOf(
      t,
      'afterwrite.yaml',
      `${right}  archive: { kind: ${url.split(':')[0] ?? ''}, url: '${url}' }`,
    );
    return await run(process.execPath, [join(folder, 'cli', 'bin.mjs'), 'check', '-c', file]);
  };
  const lacking = await check('mysql://app:hunter2@db.example:3306/shop');
  assert.deepEqual([lacking.code, lacking.stderr], [1, '']);
  assert.match(lacking.stdout, /^Sink archive: mysql, url mysql:\/\/db\.example:3306\/shop: person → person$/m);
  assert.match(lacking.stdout, /^ {2}mysql: missing \(needed by archive\): npm install mysql2$/m);
  assert.doesNotMatch(lacking.stdout, /hunter/);
  const other = await check('postgres://app@db.example/shop');
  assert.equal(other.code, 0, 'a driver that nobody needs');
  assert.match(other.stdout, /^ {2}mysql: missing: npm install mysql2$/m);
});

test('a configuration that is not there or no YAML is named, with the reason', async (t) => {
  const missing = await afterwrite('check', '-c', '/no/such/afterwrite.yaml');
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^CONFIG_UNREADABLE: .*\/no\/such\/afterwrite\.yaml.* -c, .*\nThe reason: ENOENT/);
  const broken = await afterwrite('check', '-c', await fileOf(t, 'broken.yaml', 'source: {\n  password: hunter2'));
  assert.equal(broken.code, 1);
  assert.match(
    broken.stderr,
    /^CONFIG_INVALID: .* has one problem:\n {2}- line 2: is no YAML: .*\nMend each listed path/,
  );
  assert.doesNotMatch(broken.stderr, /hunter2/);
});

test('inspect rdb lists hashes for people and as JSON lines, and tells bytes that are no text in base64', async (t) => {
  const hash = (key: Buffer | string, ...pairs: (Buffer | string)[]): Buffer =>
    bytes(4, rdbString(key), rdbLength(pairs.length / 2), ...pairs.map(rdbString));
  const file = await fileOf(
    t,
    'dump.rdb',
    rdbFile(
      'REDIS0010',
      bytes(0xfe, 0),
      hash('person:1', 'first_name', 'Zoë', 'age', '27'),
      bytes(0xfe, 3, 0xfc, i64(1_900_000_000_000n)),
      hash(Buffer.from([0xff, 1]), 'f', Buffer.from([0xfe])),
    ),
  );
  const people = await afterwrite('inspect', 'rdb', file);
  assert.deepEqual([people.code, people.stderr], [0, '']);
  assert.match(
    people.stdout,
    /^db 0 person:1\n {2}first_name = Zoë\n {2}age = 27\ndb 3 .* \(expires 2030-03-17T17:46:40\.000Z\)\n/,
  );
  const json = await afterwrite('inspect', 'rdb', file, '--json');
  const lines = json.stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  assert.deepEqual(lines, [
    { db: 0, key: 'person:1', fields: { first_name: 'Zoë', age: '27' }, expireAt: null },
    { db: 3, key: 'b64:/wE=', fields: { f: 'b64:/g==' }, expireAt: 1_900_000_000_000 },
  ]);
});

test('inspect rdb ends with 1 and the reason on a file that is damaged, no RDB, or not there', async (t) => {
  const whole = rdbFile(
    'REDIS0010',
    bytes(0xfe, 0),
    bytes(4, rdbString('person:1'), 1, rdbString('a'), rdbString('b')),
  );
  const damaged = Buffer.from(whole);
  damaged.writeUInt8((damaged[damaged.length - 1] ?? 0) ^ 1, damaged.length - 1);
  const cases = [
    [await fileOf(t, 'damaged.rdb', damaged), /^RDB_CORRUPT: .*checksum/],
    [await fileOf(t, 'text.rdb', 'this is no RDB file at all'), /^RDB_CORRUPT: /],
    ['/no/such/dump.rdb', /^FILE_UNREADABLE: .*\/no\/such\/dump\.rdb.*\nThe reason: ENOENT/],
  ] as const;
  const outcomes = cases.map(async ([file, message]) => {
    const { code, stderr } = await afterwrite('inspect', 'rdb', file);
    assert.match(stderr, message);
    assert.equal(code, 1, file);
  });
  await Promise.all(outcomes);
});
