import { writeFile } from 'node:fs/promises';
import { referenceText } from './reference.ts';

await writeFile(new URL('../../docs/reference.md', import.meta.url), await referenceText());
