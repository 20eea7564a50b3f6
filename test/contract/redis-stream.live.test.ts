import { binding } from './bindings/redis-stream.ts';
import { registerAppendContract } from './suite/index.ts';

registerAppendContract(binding);
