import { binding } from './bindings/oracle.ts';
import { registerContract } from './suite/index.ts';

registerContract(binding);
