import type { CatalogueEntry } from '../entry.ts';

/** Of Redis: its servers, what they let the source and the acknowledgements do, and its clusters. */
export const redis = {
  REDIS_UNREACHABLE: {
    meaning: 'No connection to the Redis server could be made, or it ended before it was of use.',
    remedy:
      'Check host and port of the source, the network between, and that the server runs; it is tried again until then.',
    recovery: 'retry',
  },
  REDIS_TLS: {
    meaning: 'The TLS handshake with the Redis server did not succeed.',
    remedy:
      'Check source.tls (source.sentinel.tls for a Sentinel): certificate authority, server name, client certificate, and that the port speaks TLS.',
    recovery: 'stop',
  },
  REDIS_AUTH: {
    meaning: 'The Redis server did not accept the user and password.',
    remedy: 'Check source.username and source.password against ACL LIST (or requirepass) of the server.',
    recovery: 'stop',
  },
  REDIS_LOGIN_LOST: {
    meaning:
      'A Redis server that was followed before refuses the password or the certificate now, or the secret is gone.',
    remedy:
      'Put the new secret where the configuration refers to; it is read again at each attempt, and it is tried again until one is taken.',
    recovery: 'retry',
  },
  REDIS_NO_PSYNC: {
    meaning: 'The Redis user, or the service as a whole, may not replicate.',
    remedy:
      'Grant it: ACL SETUSER <user> +psync +replconf +ping (no key patterns are needed). A managed service that refuses PSYNC to all users is followed by its keyspace notifications instead: source.mode auto or notifications, docs/notification-mode.md.',
    recovery: 'stop',
  },
  REDIS_NO_PERMISSION: {
    meaning: 'The Redis user may not run a command that the connector asks for on its control connection.',
    remedy: 'Grant the command that the message names with ACL SETUSER.',
    recovery: 'stop',
  },
  REDIS_NO_SENTINEL: {
    meaning: 'No Sentinel of source.sentinel tells which server is the master.',
    remedy:
      'Check the addresses and the name of source.sentinel, and that the Sentinels run; they are asked again until one knows. What was followed before goes on meanwhile where it can: docs/redis.md.',
    recovery: 'retry',
  },
  REDIS_NO_SERVER: {
    meaning: 'None of the servers that hold the data can be followed now; each is named with its reason.',
    remedy: 'Wait for the end of a failover; otherwise mend what the message says. It is tried again until one can.',
    recovery: 'retry',
  },
  REDIS_LOADING: {
    meaning: 'The Redis server is up but cannot serve now: it loads its data, waits for its own master, or is busy.',
    remedy: 'Wait; it is tried again until the server is ready.',
    recovery: 'retry',
  },
  REDIS_REFUSED: {
    meaning: 'The Redis server answered with an error that has no rule of its own here.',
    remedy: 'Read the answer in the message; it is tried again until the server accepts.',
    recovery: 'retry',
  },
  REDIS_PROTOCOL: {
    meaning: 'What answered does not speak the Redis replication protocol.',
    remedy:
      'Check that host and port of the source name a Redis or Valkey server, and that source.tls is set if and only if the port speaks TLS.',
    recovery: 'stop',
  },
  REDIS_LINK_LOST: {
    meaning:
      'An established connection to the Redis server broke; a replication link is taken up again after the last position.',
    remedy:
      'Nothing, if it was once; if it recurs, look for its reason in the log of the Redis server (client-output-buffer-limit, repl-timeout, CLIENT KILL, a restart).',
    recovery: 'retry',
  },
  ACKNOWLEDGEMENTS_WAIT: {
    meaning:
      'A sink cannot tell Redis which commands with an id it has committed. Its rows are written as ever; the acknowledgements wait in afterwrite_acknowledgements.',
    remedy:
      'Check that the master of the source answers the sink, and that the user may run EVAL, EVALSHA, XADD, XRANGE, EXPIRE, SELECT and ROLE; it is tried again until then.',
    recovery: 'retry',
  },
  WAIT_IMPOSSIBLE: {
    meaning: 'GET /wait was asked for what this sink cannot know.',
    remedy: 'Ask for a key that a mapping of this sink reads; docs/acknowledgements.md says what else is needed.',
    recovery: 'stop',
  },
  NOTIFICATIONS_OFF: {
    meaning: 'The source follows keyspace notifications, and the Redis server does not send those that it needs.',
    remedy:
      'Set notify-keyspace-events to KA (CONFIG SET, or the settings page of a managed service); it is tried again until then.',
    recovery: 'retry',
  },
  CLUSTER_TOO_LARGE: {
    meaning: 'The Redis Cluster has had more masters than a pipeline can have shards; a number is never given twice.',
    remedy: 'Capture the cluster under a new pipeline name.',
    recovery: 'stop',
  },
  CLUSTER_CHANGED: {
    meaning: 'The pipeline captured one server before and now captures a Redis Cluster, or the other way round.',
    remedy: 'Give the pipeline another name: its topics are filled anew.',
    recovery: 'stop',
  },
  CLUSTER_SHARD_AWAY: {
    meaning: 'No node of the Redis Cluster serves this shard now: a failover is under way, or its master was removed.',
    remedy: 'Nothing, if its slots went to other shards or will come back; otherwise bring its nodes back.',
    recovery: 'retry',
  },
} as const satisfies Record<string, CatalogueEntry>;
