// npm run bench -- NAME [--json]: measures on real servers.
import { bootstrap } from '../services/bootstrap.mjs';

bootstrap();
const { bench } = await import('../dist/bench/main.js');
process.exitCode = await bench(process.argv.slice(2));
