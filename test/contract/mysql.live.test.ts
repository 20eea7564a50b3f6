import { binding } from './bindings/mysql.ts';
import { registerContract } from './suite/index.ts';

registerContract(binding);
