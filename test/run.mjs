// npm test [-- --unit] [-- FILTER…] [-- --test-…]: compiles, starts the servers that these tests share, if they use any, and runs the tests with node's
// own runner, whose summary ends the output.
//   --unit      only the tests that need no server, without those that take long (.long.test.ts)
//   FILTER      only the files whose path has one of these words in it
//   --test-…    is passed to node, for example --test-name-pattern=resumes
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { bootstrap, buildFolder, projectFolder } from '../services/bootstrap.mjs';

bootstrap();

const args = process.argv.slice(2);
const unit = args.includes('--unit');
const passedOn = args.filter((argument) => argument.startsWith('--test-'));
const filters = args.filter((argument) => !argument.startsWith('--'));

const files = readdirSync(join(buildFolder, 'test'), { recursive: true })
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => !unit || !/[.](live|long)[.]test[.]js$/.test(file))
  .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
  .sort();
if (files.length === 0) {
  console.error(`No test file matches ${args.join(' ')}.`);
  process.exit(1);
}

let runner;
// Ctrl-C reaches node's runner by itself, which ends first; then the servers are stopped in order.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (runner === undefined) process.exit(1);
    if (signal === 'SIGTERM') runner.kill(signal);
  });
}

const usesServers = files.some((file) => file.endsWith('.live.test.js'));
const servers = usesServers ? await startServers() : undefined;
process.exitCode = await runTests(servers?.variables ?? {});
await servers?.stop();

async function startServers() {
  const { startShared } = await import('../dist/test/support/shared.js');
  try {
    return await startShared();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}

function runTests(variables) {
  // Those without a server work all the time; the others wait for half of it: for groups, transactions, servers that start.
  const atOnce = availableParallelism() * (usesServers ? 2 : 1);
  const limits = [`--test-concurrency=${atOnce}`, '--test-timeout=1200000'];
  const paths = files.map((file) => join('dist', 'test', file));
  runner = spawn(
    process.execPath,
    ['--enable-source-maps', '--test', '--test-reporter=spec', ...limits, ...passedOn, ...paths],
    { cwd: projectFolder, stdio: 'inherit', env: { ...process.env, ...variables } },
  );
  return new Promise((resolve) => {
    runner.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
}
