import { AfterwriteError } from '../../ops/errors/index.ts';
import type { ControlConnection } from './control.ts';
import { addressOf } from './endpoint.ts';
import { asText } from './reply.ts';

/** One line of CLUSTER NODES: a member of a Redis Cluster as another one, or it itself, sees it. */
export interface ClusterNode {
  /** 40 hex digits; kept for the life of the node. */
  readonly id: string;
  /** Empty where a node does not know its own address yet. */
  readonly host: string;
  readonly port: number;
  readonly role: 'master' | 'replica';
  /** Whether it is the node that was asked. */
  readonly isMyself: boolean;
  /** Whether it is held to be down, or is not in touch yet. */
  readonly isDown: boolean;
  /** Of a replica: its master's id. */
  readonly masterId: string | undefined;
  /** Rises whenever slots change their master; a node that knows higher ones knows more. */
  readonly configEpoch: number;
  /** Of a master: what it serves, first and last slot of each range. */
  readonly slots: readonly (readonly [first: number, last: number])[];
  /** Slots that it hands over key by key, with the node that they go to. Only a master tells, and only of itself. */
  readonly migrating: ReadonlyMap<number, string>;
  /** Slots that it takes over key by key, with the node that they come from. */
  readonly importing: ReadonlyMap<number, string>;
}

/**
 * Asks a member of a cluster who belongs to it.
 * @throws AfterwriteError as ControlConnection.call; REDIS_REFUSED from a server that is in no cluster
 */
export async function clusterNodesOf(connection: ControlConnection): Promise<ClusterNode[]> {
  const reply = asText(await connection.call('CLUSTER', 'NODES')) ?? '';
  const nodes = parseClusterNodes(reply);
  if (nodes.some(({ isMyself }) => isMyself)) return nodes;
  const where = { redis: addressOf(connection.endpoint) };
  throw new AfterwriteError('REDIS_PROTOCOL', 'CLUSTER NODES names no node that is the one that answered', { where });
}

/**
 * The lines of CLUSTER NODES:
 *   line := id SP host:port[@busport][,hostname…] SP flag,… SP (masterid | -) SP ping SP pong SP epoch SP link (SP slots)*
 *   slots := n | n-m | [n->-id] | [n-<-id]
 */
export function parseClusterNodes(text: string): ClusterNode[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => nodeOf(line.trim().split(' ')));
}

function nodeOf(words: string[]): ClusterNode[] {
  const [id = '', address = '', flagList = '', masterId = '-', , , epoch, , ...slotTexts] = words;
  const flags = new Set(flagList.split(','));
  // A node that is being met has no name yet, and one without an address cannot be reached.
  if (flags.has('handshake') || flags.has('noaddr')) return [];
  const [place = ''] = (address.split(',')[0] ?? '').split('@');
  const colon = place.lastIndexOf(':');
  const slots: [number, number][] = [];
  const migrating = new Map<number, string>();
  const importing = new Map<number, string>();
  for (const text of slotTexts) {
    const move = /^\[(\d+)-([<>])-(\w+)\]$/.exec(text);
    const range = /^(\d+)(?:-(\d+))?$/.exec(text);
    if (move !== null) (move[2] === '>' ? migrating : importing).set(Number(move[1]), move[3] ?? '');
    else if (range !== null) slots.push([Number(range[1]), Number(range[2] ?? range[1])]);
  }
  return [
    {
      id,
      host: place.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
      port: Number(place.slice(colon + 1)),
      role: flags.has('master') ? 'master' : 'replica',
      isMyself: flags.has('myself'),
      isDown: flags.has('fail') || flags.has('fail?'),
      masterId: masterId === '-' ? undefined : masterId,
      configEpoch: Number(epoch ?? 0),
      slots,
      migrating,
      importing,
    },
  ];
}
