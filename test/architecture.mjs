// npm run check:architecture: holds the import rules of .dependency-cruiser.cjs against the sources.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

// Rules and paths are those of the project's own folder.
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const rooms = [
  'source-connector',
  'sink-connector',
  'schemas',
  'config',
  'clients',
  'ops',
  'cli',
  'services',
  'bench',
  'test',
];
const { forbidden, options } = createRequire(import.meta.url)('../.dependency-cruiser.cjs');
const comments = new Map(forbidden.map((rule) => [rule.name, rule.comment]));

const { output } = await cruise(rooms, { ...options, ruleSet: { forbidden }, validate: true }, undefined, {
  tsConfig: extractTSConfig('tsconfig.json'),
});

for (const { rule, from, to } of output.summary.violations) {
  const fix = comments.get(rule.name);
  console.error(`${from} → ${to} (${rule.name})${fix === undefined ? '' : `\n    ${fix}`}`);
}

// With a TypeScript that it does not know, dependency-cruiser sees no module at all and finds nothing to blame.
const sources = rooms.flatMap((room) => readdirSync(room, { recursive: true }).filter((file) => file.endsWith('.ts')));
const seen = output.modules.filter(({ source }) => source.endsWith('.ts')).length;
const blind = seen < sources.length;
if (blind)
  console.error(
    `Only ${seen} of ${sources.length} modules were looked at: is the TypeScript one that dependency-cruiser knows?`,
  );

const { error: errors } = output.summary;
console.log(`${seen} modules, ${output.summary.totalDependenciesCruised} imports, ${errors} against the rules`);
process.exitCode = errors > 0 || blind ? 1 : 0;
