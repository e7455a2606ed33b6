import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TlsServerFiles } from '../src/index.js';

const run = promisify(execFile);
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Certificates for 127.0.0.1 made by the openssl command, in a folder of their own: `ca.pem`, `server.pem`, `client.pem` and their `.key`. */
export class TestAuthority {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<TestAuthority> {
    const authority = new TestAuthority(await mkdtemp(join(tmpdir(), 'volplane-tls-')));
    const at = (name: string): string => authority.path(name);
    await writeFile(at('san'), 'subjectAltName=IP:127.0.0.1\n');
    await run('openssl', ['req', '-x509', ...NEW_KEY, '-days', '2', '-subj', '/CN=ca', '-keyout', at('ca.key'), '-out', at('ca.pem')]);
    for (const name of ['server', 'client']) await authority.#issue(name);
    return authority;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** What a server needs that asks its clients for a certificate. */
  async server(): Promise<TlsServerFiles> {
    const [ca, cert, key] = await Promise.all(['ca.pem', 'server.pem', 'server.key'].map((name) => readFile(this.path(name), 'utf8')));
    return { ca: ca ?? '', cert: cert ?? '', key: key ?? '' };
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  async #issue(name: string): Promise<void> {
    const at = (suffix: string): string => this.path(`${name}.${suffix}`);
    await run('openssl', ['req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', at('key'), '-out', at('csr')]);
    const signed = ['-CA', this.path('ca.pem'), '-CAkey', this.path('ca.key'), '-days', '2', '-extfile', this.path('san')];
    await run('openssl', ['x509', '-req', '-in', at('csr'), ...signed, '-out', at('pem')]);
  }
}
