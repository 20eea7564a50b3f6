// npm run services -- start|stop|status [names…]: the real servers that the project is tried with.
import { bootstrap } from './bootstrap.mjs';

bootstrap();
const { servicesCommand } = await import('../dist/services/command.js');
process.exitCode = await servicesCommand(process.argv.slice(2));
