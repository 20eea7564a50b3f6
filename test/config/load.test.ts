import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkConfig, type Config, type ConfigProblem, loadConfig } from '../../config/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';

const minimal = `
pipeline: shop
kafka: { brokers: ['127.0.0.1:9092'] }
registry: { url: 'http://127.0.0.1:8081' }
source: { url: 'redis://127.0.0.1:6379', removals: { flushed: delete } }
mappings:
  person:
    key: person:{person_id}
    fields:
      first_name: first
      age: { type: int }
    removals: { expired: delete }
sinks:
  warehouse:
    kind: postgres
    url: postgres://user:\${env:PGPASSWORD}@host:5432/db
    versionColumn: v
`;

function good(text: string): Config {
  const { config, problems } = checkConfig(text);
  assert.deepEqual(problems, undefined);
  return config;
}

function bad(text: string): readonly ConfigProblem[] {
  const { problems } = checkConfig(text);
  assert.ok(problems !== undefined, 'the configuration was taken for right');
  return problems;
}

/** The only problem of a text, as "path: wrong; allowed". */
function only(text: string): string {
  const problems = bad(text).map(({ path, wrong, allowed }) => `${path}: ${wrong}; ${allowed}`);
  assert.equal(problems.length, 1, problems.join('\n'));
  return problems[0] ?? '';
}

function replaced(from: string, to: string): string {
  assert.ok(minimal.includes(from), `the text has no ${from}`);
  return minimal.replace(from, to);
}

test('a minimal file is completed with every default', () => {
  const config = good(minimal);
  assert.deepEqual(config.kafka.topics, {
    partitions: 4,
    replicationFactor: 1,
    deleteRetention: 7 * 86_400_000,
    minCompactionLag: 3_600_000,
  });
  assert.equal(config.kafka.maxRecordBytes, 1_048_576);
  assert.deepEqual(config.source.batch, { records: 10_000, bytes: 8 * 2 ** 20, linger: 10 });
  assert.deepEqual(config.source.http, { host: '127.0.0.1', port: 8470 });
  const person = config.mappings.person;
  assert.equal(person?.topic, 'shop.person');
  assert.equal(person.table, 'person');
  assert.deepEqual(person.fields, {
    first_name: { column: 'first', type: 'string' },
    age: { column: 'age', type: 'int' },
  });
  assert.deepEqual(person.removals, {
    deleted: 'delete',
    expired: 'delete',
    evicted: 'keep',
    flushed: 'delete',
    vanished: 'delete',
    ambiguous: 'keep',
  });
  const warehouse = config.sinks.warehouse;
  assert.ok(warehouse?.kind === 'postgres');
  assert.deepEqual(warehouse.mappings, ['person']);
  assert.deepEqual(warehouse.tables, { person: { name: 'person', versionColumn: 'v' } });
  assert.equal(warehouse.schema, 'public');
  assert.match(String(warehouse.url), /\$\{env:PGPASSWORD\}/);
});

test('durations and sizes are numbers or texts with a unit', () => {
  const { source } = good(replaced('removals: { flushed: delete }', 'batch: { linger: 1.5s, bytes: 512KiB }'));
  assert.deepEqual([source.batch.linger, source.batch.bytes], [1500, 524_288]);
  assert.match(
    only(replaced('removals: { flushed: delete }', 'batch: { linger: 5 minutes }')),
    /^source\.batch\.linger: is "5 minutes"; a duration such as 10ms/,
  );
});

test('a URL for TLS beside tls: false contradicts itself', () => {
  const text = replaced("url: 'redis://127.0.0.1:6379'", "url: 'rediss://127.0.0.1:6379', tls: false");
  assert.match(only(text), /^source\.tls: is false; true or its parts beside a URL that begins with rediss/);
  good(text.replace('tls: false', 'tls: { servername: cache.example }'));
  good(text.replace('rediss:', 'redis:'));
});

test('a source may have its servers from Sentinels instead', () => {
  const sentinel = (text: string): string => replaced("url: 'redis://127.0.0.1:6379'", text);
  const { source } = good(sentinel("sentinel: { name: shop, sentinels: ['s-1', 's-2:26380', '[::1]:26379'] }"));
  assert.equal(source.prefer, 'replica');
  assert.match(
    only(sentinel("sentinel: { name: shop, sentinels: ['s-1:port'] }")),
    /^source\.sentinel\.sentinels\[0\]: is "s-1:port"; host\[:port\]/,
  );
  assert.match(only(sentinel('sentinel: { name: shop, sentinels: [] }')), /at least one Sentinel/);
});

test('all problems come at once, each with its path, line, value and what is allowed', () => {
  const problems = bad(`
pipeline: my shop
kafka:
  brokers: []
  topics: { partitions: 0 }
source:
  url: http://localhost
  brekaer: { rows: 5 }
mappings:
  person:
    key: person:person_id
    fields:
      age: { column: age, type: integer }
  cars:
    key: cars:{id}
    fields: { id: id }
sinks:
  warehouse: { kind: postgres, host: h, mappings: [person, car] }
  lake: { kind: iceberg }
`);
  assert.deepEqual(problems.map(({ path, line }) => `${path}@${line ?? '?'}`).sort(), [
    'kafka.brokers@4',
    'kafka.topics.partitions@5',
    'mappings.cars.fields.id@16',
    'mappings.person.fields.age.type@13',
    'mappings.person.key@11',
    'pipeline@2',
    'registry@?',
    'sinks.lake.kind@19',
    'sinks.warehouse.mappings[1]@18',
    'source.brekaer@8',
    'source.url@7',
  ]);
  const at = (path: string): string => {
    const found = problems.find((problem) => problem.path === path);
    return `${found?.wrong ?? ''}; ${found?.allowed ?? ''}`;
  };
  assert.equal(
    at('mappings.person.fields.age.type'),
    'is "integer"; string, int, long, float, double, boolean, date, timestamp, timestamp-millis, uuid, bytes, json, ' +
      'decimal',
  );
  assert.match(at('source.brekaer'), /^is no option; did you mean breaker\? options here: url, host/);
  assert.match(at('mappings.person.key'), /^is "person:person_id"; literal text .*; this one has no \{placeholder\}$/);
  assert.match(at('sinks.lake.kind'), /^is "iceberg"; (.+, )?postgres(, |$)/);
  assert.equal(at('registry'), 'is missing; an object');
  assert.equal(at('kafka.topics.partitions'), 'is 0; at least 1');
});

test('a syntax error has its line and quotes nothing of the file', () => {
  for (const line of ['kafka: { password: hunter2, sasl: "x" "y" }', 'password: *hunter2', 'password: @hunter2']) {
    const problem = only(`pipeline: shop\n${line}\n`);
    assert.match(problem, /is no YAML/);
    assert.doesNotMatch(problem, /hunter2/);
  }
  for (const { wrong } of bad('a: "b"\n] hunter2 : [ "hunter2"\n')) assert.doesNotMatch(wrong, /hunter2/);
  assert.equal(bad('a: 1\nb: 2\na: 3\n')[0]?.line, 3);
  assert.match(only('pipeline: *nothing\n'), /is no YAML: .*alias/);
});

test('secrets are never shown', () => {
  const problems = bad(`
pipeline: shop
kafka: { brokers: ['k:1'], sasl: { mechanism: plain, username: u, password: 4711 }, sals: hunter2 }
registry: { url: 'ftp://user:hunter2@host/x@y', password: [hunter2] }
source: { url: 'user:hunter2@redis', password: 12345 }
mappings: { person: { key: 'p:{id}', fields: {} } }
`);
  assert.equal(problems.length, 6);
  assert.doesNotMatch(JSON.stringify(problems), /hunter2|4711|12345/);
  assert.equal(problems.find(({ path }) => path === 'registry.url')?.wrong, 'is "ftp://***@y"');
});

test('an endpoint is one of its spellings, not several and not none', () => {
  assert.match(
    only(replaced("url: 'redis://127.0.0.1:6379', ", '')),
    /^source: .*; a url, a host with its port, sentinel, or nodes$/,
  );
  assert.match(
    only(replaced('source: {', 'source: { host: h,')),
    /either url or host or sentinel or nodes, not several$/,
  );
  good(replaced("url: 'redis://127.0.0.1:6379'", 'host: h, port: 6379'));
  good(replaced("'redis://127.0.0.1:6379'", "'${env:REDIS_URL}'"));
});

test('the key events of a cluster cannot be followed, and are refused', () => {
  const nodes = (mode: string): string =>
    replaced("url: 'redis://127.0.0.1:6379'", `nodes: ['127.0.0.1:7000'], mode: ${mode}`);
  assert.match(only(nodes('notifications')), /^source\.mode: .*auto or replication with nodes/);
  good(nodes('auto'));
});

test('rule 9: overlapping patterns of one database are refused, of two databases not', () => {
  const other = (prefix: string, database: number): string =>
    replaced('sinks:', `  other: { key: '${prefix}{id}', database: ${database}, fields: {} }\nsinks:`);
  assert.match(
    only(other('person:eu:', 0)),
    /^mappings\.other\.key: is person:eu:\{id\}, which overlaps person:\{person_id\}/,
  );
  assert.match(only(other('p', 0)), /which overlaps/);
  good(other('person:eu:', 1));
  good(other('persons:', 0));
});

test('columns are unlike each other and unlike the key columns', () => {
  assert.match(only(replaced('{ type: int }', '{ column: FIRST }')), /has the column FIRST of the field first_name/);
  assert.match(only(replaced('{ type: int }', '{ column: person_id }')), /of the key column person_id/);
  assert.match(
    only(replaced('age: { type: int }', 'first name: { type: int }')),
    /fields\["first name"\]: is no column name/,
  );
  assert.match(
    only(replaced('versionColumn: v', 'versionColumn: age')),
    /versionColumn: is age, a column of the mapping person/,
  );
  const withExpiry = (column: string): string =>
    replaced('{ type: int }', `{ type: int }\n    expiryColumn: ${column}`);
  assert.match(only(withExpiry('Age')), /expiryColumn: is Age, the column of the field age/);
  assert.match(only(withExpiry('person_id')), /expiryColumn: is person_id, the column of the key column person_id/);
  assert.match(only(withExpiry('v')), /versionColumn: is v, a column of the mapping person/);
});

test('no sink is called source: its consumer group would be that of the source’s workers', () => {
  assert.equal(good(minimal).source.group.sessionTimeout, 6000);
  assert.match(
    only(replaced('  warehouse:', '  source:')),
    /^sinks\.source: has the name of the source; another name$/,
  );
});

test('sinks that acknowledge commands write the mapping, and the field # is no column', () => {
  const person = (options: string): string =>
    replaced('key: person:{person_id}', `key: person:{person_id}\n    ${options}`);
  const options = good(person('operations: true\n    acknowledge: [warehouse]')).mappings.person;
  assert.deepEqual([options?.operations, options?.acknowledge], [true, ['warehouse']]);
  assert.deepEqual(good(minimal).mappings.person?.acknowledge, []);
  const at = 'mappings.person.acknowledge';
  assert.match(
    only(person('acknowledge: [warehouse]')),
    /^mappings\.person\.acknowledge: is set, and .* operations: true/,
  );
  assert.equal(only(person('operations: true\n    acknowledge: [x]')), `${at}[0]: is x, which is no sink; warehouse`);
  assert.equal(
    only(person('operations: true\n    acknowledge: [warehouse, warehouse]')),
    `${at}[1]: is warehouse for the second time; each sink once`,
  );
  const elsewhere = person('operations: true\n    acknowledge: [warehouse]')
    .replace('sinks:', "  other: { key: 'o:{id}', fields: {} }\nsinks:")
    .replace('versionColumn: v', 'mappings: [other]');
  assert.match(only(elsewhere), /\[0\]: is warehouse, which does not write this mapping; sinks that do$/);
  assert.match(
    only(person('operations: true').replace('fields:', "fields:\n      '#': op")),
    /^mappings\.person\.fields\["#"\]: is the operation/,
  );
});

test('rows are written through where a sink acknowledges them, and nothing else is staged there', () => {
  const person = (options: string): string =>
    replaced('key: person:{person_id}', `key: person:{person_id}\n    ${options}`);
  const through = person('writeThrough: true\n    acknowledge: [warehouse]');
  const options = good(through).mappings.person;
  assert.deepEqual([options?.operations, options?.writeThrough], [true, { timeout: 10_000 }]);
  assert.deepEqual(good(through.replace('true', '{ timeout: 2s }')).mappings.person?.writeThrough, { timeout: 2000 });
  assert.equal(good(minimal).mappings.person?.writeThrough, false);
  assert.match(only(person('writeThrough: true')), /^mappings\.person\.writeThrough: is set, and no sink says when/);
  assert.match(
    only(through.replace('sinks:', "  other: { key: '__{id}', fields: {} }\nsinks:")),
    /^mappings\.other\.key: is .*, which overlaps the keys at which person is staged/,
  );
  assert.match(
    only(through.replace("url: 'redis://127.0.0.1:6379'", "nodes: ['a:1']")),
    /writeThrough: is set, and .* Redis Cluster/,
  );
});

test('operations are refused beside key events, which do not tell them all', () => {
  const both = replaced('key: person:{person_id}', 'key: person:{person_id}\n    operations: true').replace(
    'source: {',
    'source: { mode: notifications,',
  );
  assert.match(
    only(both),
    /^mappings\.person\.operations: is true, and key events tell neither .* replication, or false$/,
  );
});

test('key types name placeholders', () => {
  good(replaced('key: person:{person_id}', 'key: person:{person_id}\n    keyTypes: { person_id: long }'));
  assert.match(
    only(replaced('key: person:{person_id}', 'key: person:{person_id}\n    keyTypes: { id: long }')),
    /^mappings\.person\.keyTypes\.id: is no placeholder of the key; person_id$/,
  );
});

test('a decimal says its digits, and nothing else does', () => {
  const typeOf = (options: string) =>
    good(replaced('{ type: int }', `{ ${options} }`)).mappings.person?.fields.age?.type;
  assert.equal(typeOf('type: decimal, precision: 12, scale: 2'), 'decimal(12,2)');
  assert.equal(typeOf('type: decimal, precision: 38, scale: 38'), 'decimal(38,38)');
  assert.equal(typeOf('type: decimal, precision: 1'), 'decimal(1,0)');
  assert.equal(typeOf('type: timestamp-millis'), 'timestamp-millis');

  const problem = (options: string) => only(replaced('{ type: int }', `{ ${options} }`));
  const at = 'mappings.person.fields.age';
  assert.equal(problem('type: decimal'), `${at}.precision: is missing; how many digits the decimal has, 1 to 38`);
  assert.equal(problem('type: decimal, precision: 39'), `${at}.precision: is 39; at most 38`);
  assert.equal(problem('type: decimal, precision: 0'), `${at}.precision: is 0; at least 1`);
  assert.equal(problem('type: decimal, precision: 5, scale: -1'), `${at}.scale: is -1; at least 0`);
  assert.equal(
    problem('type: decimal, precision: 5, scale: 6'),
    `${at}.scale: is 6, more digits than the precision; at most 5`,
  );
  assert.equal(problem('type: int, scale: 2'), `${at}.scale: is an option of decimals, and the type is int; nothing`);
});

test('topics are of one mapping each, and not those of the pipeline itself', () => {
  assert.match(
    only(replaced('sinks:', "  other: { key: 'o:{id}', topic: shop.person, fields: {} }\nsinks:")),
    /^mappings\.other\.topic: has the topic shop\.person of the mapping person/,
  );
  assert.match(only(replaced('sinks:', "  marks: { key: 'o:{id}', fields: {} }\nsinks:")), /of the pipeline/);
});

test('sinks name mappings and tables that are there, and give each mapping a table of its own', () => {
  const sink = (options: string): string => replaced('versionColumn: v', options);
  assert.match(
    only(sink('mappings: [persons]')),
    /sinks\.warehouse\.mappings\[0\]: is persons, which is no mapping; person/,
  );
  assert.match(only(sink('tables: { car: { name: x } }')), /sinks\.warehouse\.tables\.car: is no mapping of this sink/);
  assert.match(
    only(replaced('sinks:', "  other: { key: 'o:{id}', table: person, fields: {} }\nsinks:")),
    /writes the mappings person and other into one table, person/,
  );
});

test('loadConfig names the file and lists every problem in its message', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-config-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'afterwrite.yaml');
  await assert.rejects(
    loadConfig(path),
    (error) => error instanceof AfterwriteError && error.code === 'CONFIG_UNREADABLE',
  );
  await writeFile(path, minimal);
  assert.equal((await loadConfig(path)).pipeline, 'shop');
  await writeFile(path, minimal.replace('shop', 'a b').replace('kind: postgres', 'kind: x'));
  await assert.rejects(loadConfig(path), (error) => {
    assert.ok(error instanceof AfterwriteError && error.code === 'CONFIG_INVALID');
    assert.match(
      error.message,
      /afterwrite\.yaml has 2 problems:\n {2}- pipeline, line 2: is "a b"; allowed: .*\n {2}- sinks/,
    );
    return true;
  });
});

test('a file that holds no object is one problem', () => {
  assert.match(only(''), /is nothing; an object/);
});
