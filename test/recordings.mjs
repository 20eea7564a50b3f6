// npm run recordings -- FOLDER…: replays every recording in these folders; ends with `N passed, N failed`.
import { bootstrap } from '../services/bootstrap.mjs';

bootstrap();
const { replayRecordings } = await import('../dist/test/recordings/main.js');
process.exitCode = await replayRecordings(process.argv.slice(2));
