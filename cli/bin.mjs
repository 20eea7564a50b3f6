#!/usr/bin/env node
// The command `afterwrite`. A published package holds the compiled program; in a clone it is made on first use.
import { existsSync } from 'node:fs';

if (!existsSync(new URL('../dist/cli/main.js', import.meta.url))) {
  const { bootstrap } = await import('../services/bootstrap.mjs');
  bootstrap();
}
const { main } = await import('../dist/cli/main.js');
// Whoever ended may have left connections behind that still wait for a server that is down.
process.exit(await main(process.argv.slice(2)));
