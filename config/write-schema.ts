import { writeFileSync } from 'node:fs';
import { configJsonSchema } from './schema.ts';

// Run from the root of the project: node dist/config/write-schema.js
writeFileSync('config/schema.json', `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
