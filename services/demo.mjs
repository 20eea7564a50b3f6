// npm run demo [-- --once]: sets everything up and shows hashes of Redis becoming rows of PostgreSQL.
import { bootstrap } from './bootstrap.mjs';

bootstrap();
const { demo } = await import('../dist/services/demo.js');
process.exitCode = await demo(process.argv.slice(2));
