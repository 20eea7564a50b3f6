import { binding } from './bindings/sqlite.ts';
import { registerContract } from './suite/index.ts';

registerContract(binding);
