import type { CatalogueEntry } from '../entry.ts';

/** Of Kafka and of the schema registry. */
export const kafka = {
  REGISTRY_DOWN: {
    meaning: 'The schema registry cannot be reached, or answers that it cannot work now.',
    remedy: 'It is tried again until it answers; start it, or mend registry.url.',
    recovery: 'retry',
  },
  REGISTRY_AUTH: {
    meaning: 'The schema registry refuses the user name or the password.',
    remedy: 'Mend registry.username and registry.password, or what the user may do there.',
    recovery: 'stop',
  },
  REGISTRY_REFUSED: {
    meaning: 'The schema registry refuses a request that this program makes of every registry.',
    remedy: 'Check that registry.url is the base of a Confluent-compatible API, with its path.',
    recovery: 'stop',
  },
  SCHEMA_INCOMPATIBLE: {
    meaning: 'The schema of a mapping is not compatible with the versions that its topic already has.',
    remedy: 'Undo the change of the mapping (fields may be added, not retyped), or give the mapping a new topic.',
    recovery: 'stop',
  },
  SCHEMA_UNKNOWN: {
    meaning: 'A record names a schema that the registry does not have.',
    remedy: 'Point registry.url at the registry that the topic was written with, or restore its schemas.',
    recovery: 'stop',
  },
  RECORD_UNREADABLE: {
    meaning: 'The bytes of a record are not what its schema says, or its schema is no schema of this program.',
    remedy: 'Find out who else writes the topic; the position names the record.',
    recovery: 'stop',
  },
  KAFKA_DOWN: {
    meaning: 'No Kafka broker answers, or the cluster cannot serve now: an outage, a restart, an election.',
    remedy:
      'Check kafka.brokers, that kafka.ssl and kafka.sasl are what that port speaks, and that the brokers run; it is tried again until then.',
    recovery: 'retry',
  },
  KAFKA_TLS: {
    meaning: 'The TLS handshake with a Kafka broker did not succeed.',
    remedy: 'Check kafka.ssl: certificate authority, server name, client certificate, and that the port speaks TLS.',
    recovery: 'stop',
  },
  KAFKA_AUTH: {
    meaning: 'Kafka did not accept the user and password, or the SASL mechanism.',
    remedy: 'Check mechanism, username and password of kafka.sasl, and that the port is a SASL listener.',
    recovery: 'stop',
  },
  KAFKA_FORBIDDEN: {
    meaning: 'The Kafka user may not do what was asked.',
    remedy:
      'Grant the missing ACL: the cause in the message names the kind of resource (topic, group, transactional id, cluster).',
    recovery: 'stop',
  },
  KAFKA_REFUSED: {
    meaning: 'Kafka refused a request for a reason that waiting does not mend.',
    remedy: "Read Kafka's reason in the message, and mend the setting that it names.",
    recovery: 'stop',
  },
  TOPIC_MISSING: {
    meaning: 'A topic, or a partition of it, does not exist.',
    remedy: 'Start the source, which creates the topics, or create it by hand; it is tried again until then.',
    recovery: 'retry',
  },
  TOPIC_MISCONFIGURED: {
    meaning: 'Topics exist but are not as the pipeline needs them, or could not be created; all problems are listed.',
    remedy:
      'Mend each listed setting with kafka-configs.sh, or the configuration; partitions cannot be changed afterwards.',
    recovery: 'stop',
  },
  OFFSET_OUT_OF_RANGE: {
    meaning:
      'A partition does not hold the offset that is to be read: retention removed it, or the topic was recreated.',
    remedy: 'Find out what happened to the topic; a lost topic is filled again by a full resync of the source.',
    recovery: 'stop',
  },
  TRANSACTION_OPEN: {
    meaning: 'A transaction of a producer stays open, and hides everything after it from readers of committed records.',
    remedy: 'Wait for its timeout; kafka-transactions.sh find-hanging and abort end one that never does.',
    recovery: 'retry',
  },
  RECORD_TOO_LARGE: {
    meaning: 'A record is larger than Kafka or the configuration allows.',
    remedy: 'Raise kafka.maxRecordBytes, and max.message.bytes of the topic with it.',
    recovery: 'stop',
  },
  PRODUCER_FENCED: {
    meaning: 'Another owner has claimed the transactional id since, or the transaction took longer than its timeout.',
    remedy: 'Nothing, if it was once; if it recurs, look for a second source with the same pipeline name and shard.',
    recovery: 'reload',
  },
  KAFKA_TRANSACTION: {
    meaning: 'A Kafka transaction did not end as asked; whether it was committed, only the committed position tells.',
    remedy: 'Nothing: the position is read again. If it recurs, the cause in the message says what Kafka objected to.',
    recovery: 'reload',
  },
} as const satisfies Record<string, CatalogueEntry>;
