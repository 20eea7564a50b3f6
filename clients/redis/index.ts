export {
  acknowledge,
  acknowledgeLua,
  acknowledgementArguments,
  acknowledgementStream,
  FIRST_SINK_PLACE,
  SOURCE_PLACE,
  type Acknowledgement,
} from './acknowledgement.ts';
export type { ClientLimits } from './client.ts';
export { clusterNodesOf, parseClusterNodes, type ClusterNode } from './cluster.ts';
export { ControlConnection, type Command } from './control.ts';
export {
  addressOf,
  credentialsOf,
  endpointOf,
  type RedisAddress,
  type RedisEndpoint,
  type RedisTls,
  type ResolveEndpoint,
} from './endpoint.ts';
export { isInSlots, keySlot, SLOTS, type SlotRange } from './key-slot.ts';
export { openMaster } from './master.ts';
export { ClusterMasters, OneMaster, type Masters } from './masters.ts';
export { refusalOf, refused, tlsRefusal, unreachable, type Refusal } from './refusal.ts';
export { asInteger, asList, asText, parseInfo } from './reply.ts';
export { escapeGlob, SCAN_START, scanHashes, type ScanPage } from './scan.ts';
export { Script } from './script.ts';
export { securedBy } from './secured.ts';
export { Sentinels, type SentinelRoster, type SentinelSettings, type ServerAddress } from './sentinel.ts';
export {
  backlogOf,
  holdsStream,
  ifPermitted,
  replicationOf,
  roleOf,
  settingOf,
  versionOf,
  warningFor,
  type Backlog,
  type Replication,
  type Role,
  type ServerVersion,
} from './server.ts';
export { Subscription } from './subscription.ts';
