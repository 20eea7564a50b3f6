import { binding } from './bindings/cassandra.ts';
import { registerContract } from './suite/index.ts';

registerContract(binding);
