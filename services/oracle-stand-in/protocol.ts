/** What a server of an age says of itself. */
export interface Protocol {
  readonly name: '19c' | '23ai';
  /** TTC's field version: which fields messages have. */
  readonly fieldVersion: number;
  /** Version of TNS in ACCEPT. */
  readonly tnsVersion: number;
  /** Whether the end of each answer is marked, and the client may send handshake and first login message at once. */
  readonly marksEnds: boolean;
  /** AUTH_VERSION_NO: five parts, the first in eight bits. */
  readonly version: number;
}

/** A server before 23ai (TNS 317), and one of 23ai (TNS 319). */
export const protocols = {
  '19c': { name: '19c', fieldVersion: 12, tnsVersion: 317, marksEnds: false, version: 0x13000000 },
  '23ai': { name: '23ai', fieldVersion: 24, tnsVersion: 319, marksEnds: true, version: 0x17190000 },
} as const satisfies Readonly<Record<string, Protocol>>;

export function isProtocolName(name: string): name is keyof typeof protocols {
  return Object.hasOwn(protocols, name);
}
