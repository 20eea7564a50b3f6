// Import rules: the flow of docs/architecture.md, checkable. The comment of a rule is the fix.
const stage = (side, from, later) => ({
  name: `${side}-${from}-not-downstream`,
  severity: 'error',
  comment:
    'Data flows one way: an earlier stage never names a later one. Return a request and let pipeline.ts carry it.',
  from: { path: `^${side}-connector/${from}/` },
  to: { path: `^${side}-connector/(${later.join('|')})/` },
});
const home = {
  ioredis: '^clients/redis/',
  kafkajs: '^clients/kafka/',
  '@platformatic/kafka': '^(clients/kafka|source-connector/send)/',
  avsc: '^schemas/',
  lmdb: '^source-connector/state/',
  '@lezer/python': '^cli/import-rgsync/',
  '@lezer/common': '^cli/import-rgsync/',
};
const dialect = '(?!sql/)([^/]+)';
/** What rooms other than a database's may import from npm; their homes, where they have one, are above. */
const roomPackages = [...Object.keys(home), 'commander', 'fastify', 'pino', 'prom-client', 'yaml', 'zod'];
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['^(test|bench|services)/', '[.]d[.]ts$'] },
      to: {},
    },
    {
      name: 'source-and-sink-are-strangers',
      severity: 'error',
      comment: 'Only cli knows both sides.',
      from: { path: '^(source|sink)-connector/' },
      to: { path: '^(source|sink)-connector/', pathNot: '^$1-connector/' },
    },
    {
      name: 'ops-is-a-leaf',
      severity: 'error',
      comment: 'ops knows no domain: pass what it needs.',
      from: { path: '^ops/' },
      to: { path: '^(schemas|source-connector|sink-connector|config|clients|cli|test)/' },
    },
    {
      name: 'schemas-know-no-side',
      severity: 'error',
      from: { path: '^schemas/' },
      to: { path: '^(source-connector|sink-connector|config|cli|test)/' },
    },
    {
      name: 'schemas-by-its-door',
      severity: 'error',
      from: { pathNot: '^(schemas|test)/' },
      to: { path: '^schemas/', pathNot: '^schemas/index[.]ts$' },
    },
    {
      name: 'stages-meet-in-pipeline',
      severity: 'error',
      comment: 'Only pipeline.ts wires stages; a stage may import an earlier stage type-only.',
      from: { path: '^(source|sink)-connector/([^/]+)/' },
      to: { path: '^(source|sink)-connector/[^/]+/', pathNot: '^$1-connector/$2/', dependencyTypesNot: ['type-only'] },
    },
    stage('source', 'capture', ['decode', 'fold', 'state', 'record', 'send']),
    stage('source', 'decode', ['fold', 'state', 'record', 'send']),
    stage('source', 'fold', ['record', 'send']),
    stage('source', 'record', ['send']),
    stage('sink', 'consume', ['decode', 'merge', 'write']),
    stage('sink', 'decode', ['merge', 'write']),
    stage('sink', 'merge', ['write']),
    {
      name: 'nobody-imports-the-wiring',
      severity: 'error',
      from: { path: '^(source|sink)-connector/', pathNot: '^(source|sink)-connector/(main|worker|shard-worker)[.]ts$' },
      to: { path: '^(source|sink)-connector/(main|worker|pipeline)[.]ts$' },
    },
    {
      name: 'dialects-are-strangers',
      severity: 'error',
      from: { path: `^sink-connector/write/${dialect}/` },
      to: {
        path: '^sink-connector/write/[^/]+/',
        pathNot: ['^sink-connector/write/$1/', '^sink-connector/write/sql/'],
      },
    },
    {
      name: 'writer-is-dialect-agnostic',
      severity: 'error',
      comment: 'Ask a declared capability instead.',
      from: { path: '^sink-connector/write/(sql/)?[^/]+[.]ts$', pathNot: 'registry[.]ts$' },
      to: { path: `^sink-connector/write/${dialect}/` },
    },
    {
      name: 'registry-loads-lazily',
      severity: 'error',
      comment: 'A driver is loaded when its sink runs; options are needed by every command.',
      from: { path: '^sink-connector/write/registry[.]ts$' },
      to: {
        path: `^sink-connector/write/${dialect}/`,
        pathNot: '^sink-connector/write/[^/]+/options[.]ts$',
        dynamic: false,
      },
    },
    {
      name: 'pure-core',
      severity: 'error',
      comment: 'Parsers and folds do no I/O, so they can be fuzzed and replayed.',
      from: { path: '^(source-connector/(decode|fold|record)|sink-connector/(decode|merge))/' },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|tls|http|https|dns|child_process|worker_threads|timers)(/|$)',
      },
    },
    ...Object.entries(home).map(([pkg, at]) => ({
      name: `only-home-imports-${pkg}`,
      severity: 'error',
      from: { pathNot: [at, '^(test|bench|services)/'] },
      to: { path: `^(node_modules/)?${pkg}(/|$)` },
    })),
    {
      name: 'drivers-stay-with-their-dialect',
      severity: 'error',
      comment:
        'What one kind of database needs is imported in its folder only; a package for the rooms is named above.',
      from: {
        path: '^(schemas|source-connector|sink-connector|config|clients|ops|cli)/',
        pathNot: `^sink-connector/write/${dialect}/`,
      },
      to: { path: '^node_modules/', pathNot: `^node_modules/(@types/node|${roomPackages.join('|')})/` },
    },
    { name: 'no-test-in-product', severity: 'error', from: { pathNot: '^(test|bench)/' }, to: { path: '^test/' } },
    {
      name: 'services-know-no-product',
      severity: 'error',
      comment:
        'Servers are started for whoever asks; what runs on them is the business of tests, benchmarks and the demo.',
      from: { path: '^services/' },
      to: { path: '^(schemas|source-connector|sink-connector|config|clients|cli|test|bench)/' },
    },
    {
      name: 'no-services-in-product',
      severity: 'error',
      comment: 'The product is given addresses; only tests, benchmarks and the demo start servers.',
      from: { path: '^(schemas|source-connector|sink-connector|config|clients|ops|cli)/', pathNot: '^cli/bin[.]mjs$' },
      to: { path: '^(services|bench)/' },
    },
    {
      name: 'tests-share-only-support',
      severity: 'error',
      comment:
        'What several folders of tests need lives in test/support; what one folder needs stays beside its tests.',
      from: { path: '^test/(.+/)[^/]+[.]test[.]ts$' },
      to: { path: '^test/', pathNot: ['^test/(support|contract)/', '^test/$1[^/]+(?<![.]test)[.]ts$'] },
    },
    {
      name: 'no-dev-deps-in-product',
      severity: 'error',
      from: { path: '^(schemas|source-connector|sink-connector|config|clients|ops|cli)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    detectProcessBuiltinModuleCalls: true,
  },
};
