import { binding } from './bindings/postgres.ts';
import { registerContract } from './suite/index.ts';

registerContract(binding);
