import { binding } from './bindings/snowflake.ts';
import { registerContract } from './suite/index.ts';

registerContract(binding);
