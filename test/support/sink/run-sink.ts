import { mastersOf } from '../../../cli/connections.ts';
import { loadConfig } from '../../../config/index.ts';
import { createLogger } from '../../../ops/logging.ts';
import { createMetrics } from '../../../ops/metrics.ts';
import { sinkMetrics } from '../../../sink-connector/metrics.ts';
import { SinkWorker } from '../../../sink-connector/worker.ts';

// A process of its own for tests that kill it: argument 1 is the configuration file.
const config = await loadConfig(process.argv[2] ?? '');
const log = createLogger('sink');
const masters = () => mastersOf(config.source);
await new SinkWorker({ config, sink: 'warehouse', log, metrics: sinkMetrics(createMetrics()), masters }).run();
