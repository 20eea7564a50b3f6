import type { ResolveKafkaConnection } from '../clients/kafka/index.ts';
import {
  ClusterMasters,
  endpointOf,
  OneMaster,
  Sentinels,
  type Masters,
  type RedisEndpoint,
  type SentinelRoster,
  type SentinelSettings,
  type ServerAddress,
} from '../clients/redis/index.ts';
import { resolveSecrets, type KafkaConfig, type SourceConfig } from '../config/index.ts';
import type { Roster, ServerGroup } from '../source-connector/capture/followed.ts';
import type { ShardPlace } from '../source-connector/shard-directory.ts';

/** How to reach Kafka, with the secrets read anew at each call. */
export function kafkaOf(config: KafkaConfig, clientId: string): ResolveKafkaConnection {
  return async () => {
    const { brokers, ssl, sasl } = await resolveSecrets(config);
    return { brokers, clientId, ssl, sasl };
  };
}

/** How to reach the Redis server, or the servers of which one is followed, with the secrets read anew at each call. */
export function redisOf(config: SourceConfig): ShardPlace['endpoint'] {
  return config.sentinel === undefined
    ? async () => endpointOf(await resolveSecrets(config))
    : sentinelGroup(config, config.sentinel);
}

/** How to reach the masters of what is captured, with the secrets read anew at each connection. */
export function mastersOf(config: SourceConfig): Masters {
  if (config.nodes !== undefined) return new ClusterMasters(clusterSeedsOf(config, config.nodes));
  const servers = redisOf(config);
  if (typeof servers === 'function') return new OneMaster(servers);
  return new OneMaster(
    async () => (await servers.roster()).master,
    () => {
      servers.close();
    },
  );
}

function sentinelGroup(config: SourceConfig, sentinel: NonNullable<SourceConfig['sentinel']>): ServerGroup {
  const sentinels = new Sentinels(async () => {
    const { name, sentinels: addresses, username, password, tls } = await resolveSecrets(sentinel);
    const endpoints = addresses.map((address) => endpointOf({ ...hostAndPort(address), username, password, tls }));
    return { name, sentinels: endpoints } satisfies SentinelSettings;
  });
  let last: SentinelRoster | undefined;
  const withSecrets = async ({ master, replicas }: SentinelRoster): Promise<Roster> => {
    const { username, password, tls } = await resolveSecrets(config);
    const at = ({ host, port }: ServerAddress): RedisEndpoint => endpointOf({ host, port, username, password, tls });
    return { master: at(master), replicas: replicas.map(at) };
  };
  return {
    prefer: config.prefer,
    roster: async () => await withSecrets((last = await sentinels.roster())),
    lastRoster: async () => last && (await withSecrets(last)),
    listen: (listener) => {
      sentinels.listen(listener);
    },
    close: () => {
      sentinels.close();
    },
  };
}

/** A Sentinel's address; its check allows no other form. */
function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain = '', port = '26379'] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(address) ?? [];
  return { host: bracketed ?? plain, port: Number(port) };
}

/** How to reach the named nodes of a Redis Cluster, with the secrets read anew at each call. */
export function clusterSeedsOf(
  config: SourceConfig,
  nodes: readonly string[],
): () => Promise<readonly RedisEndpoint[]> {
  return async () => {
    const { username, password, tls } = await resolveSecrets(config);
    return nodes.map((node) => {
      const colon = node.lastIndexOf(':');
      const host = node.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
      return endpointOf({ username, password, tls, host, port: Number(node.slice(colon + 1)) });
    });
  };
}
