import type { ResolveKafkaConnection } from '../clients/kafka/index.ts';
import { endpointOf, type ResolveEndpoint } from '../clients/redis/index.ts';
import { resolveSecrets, type KafkaConfig, type SourceConfig } from '../config/index.ts';

/** How to reach Kafka, with the secrets read anew at each call. */
export function kafkaOf(config: KafkaConfig, clientId: string): ResolveKafkaConnection {
  return () => {
    const { brokers, ssl, sasl } = resolveSecrets(config);
    return Promise.resolve({ brokers, clientId, ssl, sasl });
  };
}

/** How to reach the Redis server, with the secrets read anew at each call. */
export function redisOf(config: SourceConfig): ResolveEndpoint {
  return () => Promise.resolve(endpointOf(resolveSecrets(config)));
}
