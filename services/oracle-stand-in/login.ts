import { createCipheriv, createDecipheriv, createHash, pbkdf2Sync, randomBytes } from 'node:crypto';
import { OraError } from './ora-errors.ts';
import type { Protocol } from './protocol.ts';
import { TtcWriter, type TtcReader } from './ttc-codec.ts';

const iterations = 4096;
const keyIterations = 3;
const noVector = Buffer.alloc(16);

/** What the two login messages say: both have this form. */
interface LoginRequest {
  readonly user: string;
  readonly pairs: ReadonlyMap<string, string>;
}

/** request := pointer:1 ub(length) ub(mode) pointer:1 ub(pairs) pointer:1 pointer:1 [ bytes(user) ] pair* */
export function readLoginRequest(reader: TtcReader): LoginRequest {
  reader.u8();
  const length = reader.ub();
  reader.skip('np');
  const count = reader.ub();
  reader.skip('pp');
  const user = length > 0 ? reader.string() : '';
  const pairs = new Map<string, string>();
  for (let index = 0; index < count; index++) pairs.set(...reader.pair());
  return { user, pairs };
}

/**
 * The login of Oracle 12c and later (O5LOGON with PBKDF2 verifiers).
 *
 * 1. The server sends AUTH_VFR_DATA, AUTH_PBKDF2_CSK_SALT and its half of the session key, encrypted under the verifier:
 *    SHA-512(PBKDF2(password, vfr + "AUTH_PBKDF2_SPEEDY_KEY", 4096) + vfr), 32 bytes.
 * 2. The client sends its half, encrypted in the same way, and the password, encrypted under
 *    PBKDF2(hex of both halves, salt, 3), behind 16 random bytes.
 * 3. The server proves itself: "SERVER_TO_CLIENT", encrypted under that key.
 */
export class Login {
  readonly user: string;
  readonly #password: string | undefined;
  readonly #verifierData: Buffer;
  readonly #verifier: Buffer;
  readonly #half = randomBytes(32);
  readonly #salt = randomBytes(16);

  /** @param password undefined for a user that is not there, who is told so in step 3 only */
  constructor(user: string, password: string | undefined) {
    this.user = user;
    this.#password = password;
    this.#verifierData = createHash('sha1').update(user).digest().subarray(0, 16);
    const salt = Buffer.concat([this.#verifierData, Buffer.from('AUTH_PBKDF2_SPEEDY_KEY')]);
    const secret = password ?? randomBytes(8).toString('hex');
    const key = pbkdf2Sync(secret, salt, iterations, 64, 'sha512');
    this.#verifier = createHash('sha512').update(key).update(this.#verifierData).digest().subarray(0, 32);
  }

  /** answer := 8 ub(pairs) pair*; the flags of AUTH_VFR_DATA tell the kind of verifier: 0x4815 is 12c */
  challenge(writer: TtcWriter): void {
    const half = hex(encrypted(this.#verifier, this.#half));
    writer.u8(8).ub(6).pair('AUTH_SESSKEY', half, 1);
    writer.pair('AUTH_VFR_DATA', hex(this.#verifierData), 0x4815);
    writer.pair('AUTH_PBKDF2_CSK_SALT', hex(this.#salt)).pair('AUTH_PBKDF2_VGEN_COUNT', String(iterations));
    writer.pair('AUTH_PBKDF2_SDER_COUNT', String(keyIterations));
    writer.pair('AUTH_GLOBALLY_UNIQUE_DBID\0', hex(randomBytes(16)));
  }

  /** @returns the proof for step 3 @throws OraError ORA-01017 */
  answer({ pairs }: LoginRequest): string {
    const theirs = decrypted(this.#verifier, pairs.get('AUTH_SESSKEY') ?? '').subarray(0, 32);
    const both = hex(Buffer.concat([theirs, this.#half]));
    const key = pbkdf2Sync(both, this.#salt, keyIterations, 32, 'sha512');
    const padded = decrypted(key, pairs.get('AUTH_PASSWORD') ?? '');
    const password = padded.subarray(16, padded.length - (padded.at(-1) ?? 0)).toString();
    if (this.#password === undefined || password !== this.#password) {
      throw new OraError(1017, 'invalid credential or not authorized; logon denied');
    }
    const proof = Buffer.concat([randomBytes(16), Buffer.from('SERVER_TO_CLIENT'), Buffer.alloc(16, 16)]);
    return hex(encrypted(key, proof));
  }
}

/** answer := 8 ub(pairs) pair* — what the client is told of its session. */
export function writeWelcome(writer: TtcWriter, protocol: Protocol, service: string, session: number, proof: string) {
  const pairs = {
    AUTH_VERSION_STRING: '- afterwrite stand-in, SQL executed by H2 in Oracle mode',
    AUTH_VERSION_NO: String(protocol.version),
    AUTH_SC_DB_DOMAIN: '',
    AUTH_SC_DBUNIQUE_NAME: 'STANDIN',
    AUTH_SC_SERVICE_NAME: service,
    AUTH_INSTANCENAME: 'STANDIN',
    AUTH_DBNAME: service,
    AUTH_MAX_OPEN_CURSORS: '300',
    AUTH_MAX_IDEN_LENGTH: '128',
    AUTH_SESSION_ID: String(session),
    AUTH_SERIAL_NUM: '1',
    AUTH_SVR_RESPONSE: proof,
  };
  writer.u8(8).ub(Object.keys(pairs).length);
  for (const [name, value] of Object.entries(pairs)) writer.pair(name, value);
}

function encrypted(key: Buffer, bytes: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-cbc', key, noVector).setAutoPadding(false);
  return Buffer.concat([cipher.update(bytes), cipher.final()]);
}

function decrypted(key: Buffer, text: string): Buffer {
  const decipher = createDecipheriv('aes-256-cbc', key, noVector).setAutoPadding(false);
  return Buffer.concat([decipher.update(Buffer.from(text, 'hex')), decipher.final()]);
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase();
}
