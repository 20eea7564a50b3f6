import { configJsonSchema } from '../config/index.ts';
import { catalogue } from '../ops/errors/index.ts';
import { createMetrics } from '../ops/metrics.ts';
import { sinkMetrics } from '../sink-connector/metrics.ts';
import { replicationStates } from '../source-connector/capture/replication-state.ts';
import { sourceMetrics } from '../source-connector/metrics.ts';

/** docs/reference.md: every option, error, state and metric, from the code that defines them. */
export async function referenceText(): Promise<string> {
  return `# Reference

Made by \`node dist/cli/write-reference.js\`; a test holds it against the code.

## Configuration

Durations are \`10ms\`, \`5s\`, \`1m\`, \`1h\`, \`7d\` or a number of milliseconds; sizes \`64KiB\`, \`8MiB\` or a number of bytes.
Any text may hold \`\${env:NAME}\`, \`\${file:/path}\` and \`\${command:program parameters}\` ([secrets.md](secrets.md)). \`<name>\` stands for a name of your own.

| option | default | |
|---|---|---|
${optionRows(configJsonSchema(), '').join('\n')}

## Errors

What happens: *retry* waits and tries again without end; *reload* begins again from the committed position; *stop* waits
for a person.

| code | meaning | what to do | what happens |
|---|---|---|---|
${Object.entries(catalogue)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([code, { meaning, remedy, recovery }]) => `| \`${code}\` | ${cell(meaning)} | ${cell(remedy)} | ${recovery} |`)
  .join('\n')}

## States of the replication

In the source's log, on \`/healthz\` and \`/readyz\` (\`state\`, and with its figures \`replication\`), and on \`/metrics\`
(\`afterwrite_source_state\`, 1 for one of them).

| state | |
|---|---|
${Object.entries(replicationStates)
  .map(([state, meaning]) => `| \`${state}\` | ${cell(meaning)} |`)
  .join('\n')}

## Metrics

On \`/metrics\`, beside those of the Node process (\`process_*\`, \`nodejs_*\`).

| metric | |
|---|---|
${(await metricRows()).join('\n')}
`;
}

interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly additionalProperties?: unknown;
  readonly oneOf?: readonly unknown[];
  readonly anyOf?: readonly unknown[];
}

/** Rows of all options below a node of the JSON schema, depth first. */
function optionRows(node: unknown, path: string): string[] {
  if (!isNode(node)) return [];
  const own = path === '' ? [] : [`| \`${path}\` | ${defaultOf(node)} | ${cell(node.description ?? '')} |`];
  const inner = Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    optionRows(child, path === '' ? name : `${path}.${name}`),
  );
  const named = isNode(node.additionalProperties) ? optionRows(node.additionalProperties, `${path}.<name>`) : [];
  const variants = [...(node.oneOf ?? []), ...(node.anyOf ?? [])].flatMap((variant) =>
    optionRows(variant, path).slice(1),
  );
  return [...own, ...inner, ...named, ...variants];
}

function defaultOf({ default: value, const: fixed }: SchemaNode): string {
  if (fixed !== undefined) return `always \`${JSON.stringify(fixed)}\``;
  return value === undefined || (typeof value === 'object' && value !== null)
    ? ''
    : `\`${cell(JSON.stringify(value))}\``;
}

async function metricRows(): Promise<string[]> {
  const metrics = createMetrics();
  sourceMetrics(metrics);
  sinkMetrics(metrics);
  const help = new Map(
    [...(await metrics.text()).matchAll(/^# HELP (\S+) (.*)$/gm)].map((found) => [found[1] ?? '', found[2] ?? '']),
  );
  return metrics.names().map((name) => `| \`${name}\` | ${cell(help.get(name) ?? '')} |`);
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function isNode(value: unknown): value is SchemaNode {
  return typeof value === 'object' && value !== null;
}
