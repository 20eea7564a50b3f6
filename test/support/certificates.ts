import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { uniqueName } from './names.ts';
import type { Scope } from './scope.ts';

const run = promisify(execFile);

/** The PEM of a certificate and its key, and where their files are. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of a test's own, made with openssl. */
export class Authority {
  readonly certificate: Certificate;
  readonly #folder: string;

  private constructor(folder: string, certificate: Certificate) {
    this.#folder = folder;
    this.certificate = certificate;
  }

  static async create(scope: Scope): Promise<Authority> {
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-ca-'));
    scope.after(() => rm(folder, { recursive: true, force: true }));
    const { certFile, keyFile } = filesOf(folder, 'ca');
    await openssl([
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      `/CN=${uniqueName('ca')}`,
      '-keyout',
      keyFile,
      '-out',
      certFile,
    ]);
    return new Authority(folder, await read(folder, 'ca'));
  }

  /** A certificate for these names, such as `DNS:localhost` or `IP:127.0.0.1`. */
  async issue(name: string, ...names: readonly string[]): Promise<Certificate> {
    const { certFile, keyFile } = filesOf(this.#folder, name);
    const at = (file: string): string => join(this.#folder, file);
    await openssl(['req', ...newKey, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', at(`${name}.csr`)]);
    await writeFile(at(`${name}.ext`), names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`);
    const signer = ['-CA', this.certificate.certFile, '-CAkey', this.certificate.keyFile, '-CAcreateserial'];
    const signed = ['-in', at(`${name}.csr`), '-extfile', at(`${name}.ext`), '-out', certFile];
    await openssl(['x509', '-req', '-days', '2', ...signer, ...signed]);
    return await read(this.#folder, name);
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function filesOf(folder: string, name: string): { readonly certFile: string; readonly keyFile: string } {
  return { certFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
}

async function read(folder: string, name: string): Promise<Certificate> {
  const { certFile, keyFile } = filesOf(folder, name);
  return { cert: await readFile(certFile), key: await readFile(keyFile), certFile, keyFile };
}

async function openssl(args: readonly string[]): Promise<void> {
  await run('openssl', args);
}
