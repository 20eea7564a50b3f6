import type { Random } from './random.ts';

export type Argument = string | number | Buffer;
/** A command's name and its arguments. */
export type Command = readonly [name: string, ...args: Argument[]];

/** What a client does next. A transaction is ended by DISCARD when it is not `kept`. */
export type Step =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'transaction'; readonly commands: readonly Command[]; readonly kept: boolean }
  /** The answer to DUMP is given back with `keepPayload`. */
  | { readonly kind: 'dump'; readonly command: Command }
  /** Keys of the database that is about to be flushed are given back with `expireNames`. */
  | { readonly kind: 'flush'; readonly command: Command };

export interface CommandMix {
  /** How many keys each prefix has. Low numbers are used more often. */
  readonly keys: number;
  /** Whether some values cannot be of their column's type. */
  readonly badValues: boolean;
  /** Whether hashes come from keys that are not captured: RENAME and COPY then bring values that the stream does not hold. */
  readonly fromUncaptured: boolean;
  /** Whether databases are flushed now and then. */
  readonly flushes: boolean;
  /** Whether databases are swapped now and then. */
  readonly swaps: boolean;
}

/**
 * Key patterns and fields that go with these commands. A field has one type wherever it is mapped, since RENAME and
 * COPY carry hashes from one prefix to the other; `note` and `extra` are mapped nowhere.
 */
export const captured = {
  person: {
    key: 'person:{person_id}',
    keyTypes: {},
    fields: {
      first_name: 'first',
      last_name: 'last',
      age: { column: 'age', type: 'int' },
      visits: { column: 'visits', type: 'long' },
      score: { column: 'score', type: 'double' },
      member: { column: 'member', type: 'boolean' },
    },
  },
  cars: {
    key: 'car:{region}:{car_id}',
    keyTypes: { car_id: 'int' },
    fields: {
      color: 'color',
      first_name: 'driver',
      age: { column: 'age', type: 'int' },
      score: { column: 'price', type: 'double' },
      seen: { column: 'seen', type: 'timestamp' },
    },
  },
} as const;

/** ms since the epoch, in the year 2100. */
const FAR = 4_102_444_800_000;

const oddIds = ['eu:42', 'zoé 日本', `o'brien "\\`, '{0}', '007', '😀'] as const;
const oddTexts = [
  '',
  'NULL',
  'null',
  `it's "quoted", \\ and {braced}`,
  'two\nlines\tand a tab',
  '日本語 👍',
  '0',
  ' ',
] as const;
const notes = ['', 'x', '17', 'v'.repeat(300)] as const;

type Choice = readonly [weight: number, make: () => Command];

/**
 * A seeded stream of commands over few keys, so that they meet: every command of Redis 7.0 that creates, changes,
 * overwrites, moves or removes a hash, alone, in MULTI and in scripts. The client selects databases 0 to 2 and begins in 0.
 * Many are refused (WRONGTYPE, no such key), as in real life; they leave no trace.
 */
export class CommandStream {
  /** Names of keys that had an expiry at some time in some database, or were flushed: their rows may be kept. */
  readonly expirable = new Set<string>();
  readonly #random: Random;
  readonly #mix: CommandMix;
  readonly #single: readonly Choice[];
  readonly #weights: number;
  readonly #payloads: Buffer[] = [];

  constructor(random: Random, mix: CommandMix) {
    this.#random = random;
    this.#mix = mix;
    this.#single = [...this.#hashCommands(), ...this.#keyCommands(), ...this.#otherTypes(), ...this.#bystanders()];
    this.#weights = this.#single.reduce((sum, [weight]) => sum + weight, 0);
  }

  /** Remembers what a DUMP answered, for a later RESTORE. */
  keepPayload(payload: Buffer): void {
    this.#payloads.push(payload);
    if (this.#payloads.length > 50) this.#payloads.shift();
  }

  expireNames(keys: Iterable<string>): void {
    for (const key of keys) this.expirable.add(key);
  }

  next(): Step {
    const random = this.#random;
    const { flushes, swaps } = this.#mix;
    const dice = random.next();
    if (dice < 0.05) return { kind: 'command', command: ['SELECT', random.pick([0, 0, 0, 0, 1, 2])] };
    if (dice < 0.1) return { kind: 'transaction', commands: this.#several(6), kept: random.chance(0.85) };
    if (dice < 0.13) return { kind: 'command', command: this.#script() };
    if (dice < 0.15) return { kind: 'dump', command: ['DUMP', this.#key()] };
    if (dice < 0.17) return { kind: 'command', command: this.#restore() };
    if (swaps && dice < 0.1706)
      return {
        kind: 'command',
        command: [
          'SWAPDB',
          ...random.pick([
            [0, 1],
            [1, 2],
            [2, 0],
          ]),
        ],
      };
    if (flushes && dice < 0.1712)
      return { kind: 'flush', command: ['FLUSHDB', ...random.pick([[], ['ASYNC'], ['SYNC']])] };
    if (flushes && dice < 0.1713) return { kind: 'flush', command: ['FLUSHALL'] };
    return { kind: 'command', command: this.#one() };
  }

  #one(): Command {
    let dice = this.#random.next() * this.#weights;
    for (const [weight, make] of this.#single) {
      dice -= weight;
      if (dice < 0) return make();
    }
    return ['PING'];
  }

  #several(most: number): Command[] {
    return Array.from({ length: this.#random.between(1, most) }, () => this.#one());
  }

  /** Several effects of one script; one in five ends with an error after them, which takes nothing back. */
  #script(): Command {
    const body = `for _, c in ipairs(cjson.decode(ARGV[1])) do redis.pcall(unpack(c)) end
      if ARGV[2] then error('on purpose') end`;
    const commands = JSON.stringify(this.#several(5).map((command) => command.map(String)));
    return ['EVAL', body, 0, commands, ...(this.#random.chance(0.2) ? ['error'] : [])];
  }

  #restore(): Command {
    const random = this.#random;
    const payload = this.#payloads[random.below(this.#payloads.length)];
    if (payload === undefined) return ['PING'];
    const replace = random.chance(0.8) ? ['REPLACE'] : [];
    const key = this.#key();
    const ttl = random.pick([[0], [0], [0], [random.between(20, 400)], [3_000_000_000], [FAR, 'ABSTTL']]);
    if (ttl[0] !== 0) this.expirable.add(key);
    return ['RESTORE', key, ttl[0] ?? 0, payload, ...replace, ...ttl.slice(1)];
  }

  #hashCommands(): Choice[] {
    const random = this.#random;
    const key = (): string => this.#key();
    return [
      [30, () => ['HSET', key(), ...this.#pair()]],
      [22, () => ['HSET', key(), ...this.#pairs(5)]],
      [5, () => ['HMSET', key(), ...this.#pairs(3)]],
      [5, () => ['HSETNX', key(), ...this.#pair()]],
      [10, () => ['HINCRBY', key(), random.pick(['age', 'age', 'visits', 'note']), random.between(-50, 50)]],
      [
        5,
        () => [
          'HINCRBYFLOAT',
          key(),
          random.pick(['score', 'score', 'note']),
          random.pick(['0.1', '-2.5', '3', '1e2']),
        ],
      ],
      [10, () => ['HDEL', key(), ...this.#names(4)]],
      [1, () => ['HDEL', key(), ...Object.keys(fieldTypes)]],
      // Hashes become wide, are changed, and become narrow again, or end with their last unmapped field.
      [3, () => ['HSET', key(), ...this.#fillers(60).flatMap((name) => [name, `${name} `.repeat(4)])]],
      [2, () => ['HSET', key(), ...this.#pair(), ...this.#fillers(3).flatMap((name) => [name, 'short'])]],
      [2, () => ['HDEL', key(), ...this.#names(1), ...this.#fillers(50)]],
    ];
  }

  /** Names of fields that are mapped nowhere, one after the other. */
  #fillers(most: number): string[] {
    const first = this.#random.below(40);
    return Array.from({ length: this.#random.between(1, most) }, (_, n) => `filler:${first + n}`);
  }

  #keyCommands(): Choice[] {
    const random = this.#random;
    const key = (): string => this.#key();
    return [
      [4, () => ['DEL', key()]],
      [2, () => ['UNLINK', key(), key()]],
      [1, () => ['GETDEL', key()]],
      [4, () => this.#transfer('RENAME')],
      [2, () => this.#transfer('RENAMENX')],
      [2, () => this.#transfer('COPY')],
      [3, () => this.#transfer('COPY', 'REPLACE')],
      [2, () => this.#transfer('COPY', 'DB', random.below(3), 'REPLACE')],
      [1, () => this.#transfer('COPY', 'DB', random.below(3))],
      [3, () => ['MOVE', key(), random.below(3)]],
      [2, () => this.#expiring('PEXPIRE', random.between(10, 500))],
      [1, () => this.#expiring('EXPIRE', 1)],
      [1, () => this.#expiring('EXPIRE', -1)],
      [1, () => this.#expiring('PEXPIREAT', 1000)],
      [2, () => this.#expiring('PEXPIREAT', FAR + random.below(1e6))],
      [1, () => this.#expiring('EXPIREAT', FAR / 1000, random.pick(['NX', 'XX', 'GT', 'LT']))],
      [1, () => this.#expiring('EXPIRE', 3_000_000, random.pick(['NX', 'GT']))],
      [2, () => ['PERSIST', key()]],
    ];
  }

  /** Values of other types laid over hashes, and commands that store an empty result, which deletes. */
  #otherTypes(): Choice[] {
    const key = (): string => this.#key();
    const text = (): string => String(this.#random.below(1000));
    return [
      [1, () => ['SET', key(), text()]],
      [1, () => this.#expiring('SET', text(), 'PX', this.#random.between(10, 500))],
      [1, () => this.#expiring('SETEX', 3_000_000, text())],
      [1, () => this.#expiring('PSETEX', 100, text())],
      [1, () => ['GETSET', key(), text()]],
      [1, () => ['SETNX', key(), text()]],
      [1, () => ['MSET', key(), text(), key(), text()]],
      [1, () => ['MSETNX', key(), text(), key(), text()]],
      [1, () => ['APPEND', key(), 'x']],
      [1, () => ['SADD', key(), 'a', 'b']],
      [1, () => ['RPUSH', key(), 3, 1]],
      [1, () => ['ZADD', key(), 1, 'a']],
      [1, () => ['SUNIONSTORE', key(), key(), key()]],
      [1, () => ['SINTERSTORE', key(), 'none', 'none']],
      [1, () => ['ZUNIONSTORE', key(), 1, key()]],
      [1, () => ['ZRANGESTORE', key(), key(), 0, -1]],
      [1, () => ['SORT', key(), 'ALPHA', 'STORE', key()]],
      [1, () => ['BITOP', 'NOT', key(), key()]],
      [1, () => ['GEOSEARCHSTORE', key(), 'places', 'FROMLONLAT', 13, 52, 'BYRADIUS', 100, 'km']],
    ];
  }

  /** What changes no hash of a captured prefix and must be passed over. */
  #bystanders(): Choice[] {
    const { fromUncaptured } = this.#mix;
    const other = (): string => `other:${this.#random.below(20)}`;
    return [
      [4, () => ['HSET', other(), ...this.#pairs(3)]],
      [1, () => ['HINCRBY', other(), 'age', 1]],
      [1, () => ['RENAME', this.#key(), other()]],
      [1, () => ['COPY', this.#key(), other(), 'REPLACE']],
      [fromUncaptured ? 1 : 0, () => [this.#random.pick(['RENAME', 'COPY']), other(), this.#key()]],
      [1, () => ['XADD', 'log', 'MAXLEN', 10, '*', 'f', 'v']],
      [1, () => ['GEOADD', 'places', 13.4, 52.5, 'Berlin']],
      [1, () => ['PFADD', 'visitors', this.#random.below(1000)]],
      [1, () => ['PUBLISH', 'news', 'nothing']],
      [1, () => ['LPUSH', 'list', this.#random.below(10)]],
      [1, () => ['INCR', 'counter']],
      [1, () => ['DEL', other(), 'list']],
    ];
  }

  /** A key that gives its value, and its expiry, to another. */
  #transfer(name: string, ...options: Argument[]): Command {
    const from = this.#key();
    const to = this.#key();
    if (this.expirable.has(from)) this.expirable.add(to);
    return [name, from, to, ...options];
  }

  #expiring(name: string, ...args: Argument[]): Command {
    const key = this.#key();
    this.expirable.add(key);
    return [name, key, ...args];
  }

  #key(): string {
    const random = this.#random;
    const number = Math.floor(random.next() ** 2 * this.#mix.keys);
    if (random.chance(0.4)) return `car:${random.pick(['eu', 'us', 'é'])}:${number - 3}`;
    return `person:${random.chance(0.03) ? random.pick(oddIds) : number}`;
  }

  #pair(): Argument[] {
    const name = this.#name();
    return [name, this.#value(name)];
  }

  #pairs(most: number): Argument[] {
    return Array.from({ length: this.#random.between(1, most) }, () => this.#pair()).flat();
  }

  #name(): FieldName {
    return this.#random.pick(fieldNames);
  }

  #names(most: number): FieldName[] {
    return Array.from({ length: this.#random.between(1, most) }, () => this.#name());
  }

  #value(name: FieldName): Argument {
    const type = fieldTypes[name];
    if (type !== 'text' && type !== 'unmapped' && this.#mix.badValues && this.#random.chance(0.05)) return 'no value';
    return makers[type](this.#random);
  }
}

const fieldTypes = {
  first_name: 'text',
  last_name: 'text',
  color: 'text',
  age: 'int',
  visits: 'long',
  score: 'double',
  member: 'boolean',
  seen: 'timestamp',
  note: 'unmapped',
  extra: 'unmapped',
} as const;

type FieldName = keyof typeof fieldTypes;

const fieldNames: readonly [FieldName, ...FieldName[]] = [
  'first_name',
  'last_name',
  'color',
  'age',
  'visits',
  'score',
  'member',
  'seen',
  'note',
  'extra',
];

const text = (random: Random): string => (random.chance(0.1) ? random.pick(oddTexts) : `v${random.below(100_000)}`);

/** Texts that are values of a type. Integers stay below 2^53, and far enough from the ends that HINCRBY stays inside. */
const makers: Readonly<Record<(typeof fieldTypes)[FieldName], (random: Random) => Argument>> = {
  text,
  int: (random) => random.pick([random.between(-1000, 1000), random.between(-(2 ** 30), 2 ** 30), 0]),
  long: (random) => random.pick([random.between(-1000, 1000), random.below(2 ** 52) - 2 ** 51]),
  double: (random) => random.pick(['0.5', '-1.25', '3', '1e21', '2.5e-7', `${random.below(10_000) / 100}`]),
  boolean: (random) => random.pick(['true', 'false']),
  timestamp: (random) => new Date(random.between(0, 4_000_000_000_000)).toISOString(),
  unmapped: (random) => random.pick(notes),
};
