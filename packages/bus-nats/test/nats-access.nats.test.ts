import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock, type Logger } from '@volplane/base';
import { hasTool, rejection, startNatsServer, waitFor, type NatsServer } from '@volplane/testkit';
import { expect } from 'chai';
import { createAccount, createOperator, createUser, type KeyPair } from 'nkeys.js';
import type { NatsBus } from '../src/nats-bus.js';
import { heldTurns, open, openConnected, recordingLogger } from './nats-bus-opening.js';

const exec = promisify(execFile);
const PATIENT = { timeoutMs: 30_000 };
/** Longer than any test: who waits so long is settled by something else. */
const ENDLESS = { timeoutMs: 3_600_000 };

/** Servers with a configuration of their own, in a folder of the test. */
describe('access to NATS', () => {
  let folder: string;
  let server: NatsServer | undefined;
  const buses: NatsBus[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-nats-access-'));
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await server?.stop();
    await rm(folder, { recursive: true });
  });

  async function start(config: string): Promise<NatsServer> {
    const path = await file('server.conf', config);
    server = await startNatsServer({ args: ['--config', path] });
    return server;
  }

  async function file(name: string, content: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  async function expectWorks(bus: Promise<NatsBus>): Promise<void> {
    const opened = await bus;
    buses.push(opened);
    opened.serve('self', undefined, () => Promise.resolve('me'));
    expect(await opened.request('self', null, PATIENT)).to.equal('me');
  }

  async function expectRefused(options: Parameters<typeof open>[1]): Promise<void> {
    const { log, lines } = recordingLogger();
    const bus = await open(server ?? { url: '' }, { ...options, log });
    buses.push(bus);
    // Refused again and again: it never gives up, and never gets in.
    const attempts = (): number => lines.filter((line) => line.includes('cannot be reached')).length;
    await waitFor(() => attempts() >= 3, { what: 'three attempts failed' });
    expect(bus.connected).to.equal(false);
  }

  it('works with user and password, and never without', async () => {
    await start('authorization { user: me, password: s3cret }');
    await expectWorks(openConnected(await started(), { auth: { type: 'password', user: 'me', password: 's3cret' } }));
    await expectRefused({ auth: { type: 'password', user: 'me', password: 'wrong' } });
    await expectRefused({});
  });

  it('works with a token', async () => {
    await start('authorization { token: t0ken }');
    await expectWorks(openConnected(await started(), { auth: { type: 'token', token: 't0ken' } }));
    await expectRefused({ auth: { type: 'token', token: 'wrong' } });
  });

  it('works with an nkey, read from its file for each connection', async () => {
    const key = createUser();
    await start(`authorization { users: [ { nkey: ${key.getPublicKey()} } ] }`);
    const seedFile = await file('seed.nk', `${text(createUser().getSeed())}\n`);
    const bus = await open(await started(), { auth: { type: 'nkey', seedFile } });
    await file('seed.nk', `${text(key.getSeed())}\n`);
    await waitFor(() => bus.connected, { what: 'the new seed is used' });
    await expectWorks(Promise.resolve(bus));
  });

  it('works with a creds file', async () => {
    const { config, creds } = operatorMode();
    await start(config);
    await expectWorks(openConnected(await started(), { auth: { type: 'creds', credsFile: await file('user.creds', creds) } }));
    await expectRefused({});
  });

  it('refuses to open with files that cannot be read', async () => {
    await start('');
    const missing = join(folder, 'missing');
    for (const options of [
      { auth: { type: 'creds', credsFile: missing } },
      { auth: { type: 'nkey', seedFile: missing } },
      { tls: { caFile: missing } },
    ] as const) {
      const refusal = await rejection(open(await started(), options));
      expect(refusal.failure).to.deep.include({ reason: 'INVALID_ARGUMENT', fields: { path: missing } });
    }
    expect((await rejection(open(await started(), { servers: [] }))).reason).to.equal('INVALID_ARGUMENT');
  });

  it('works with TLS by name and by address, shows a certificate, and refuses a server of another authority', async function () {
    if (!(await hasTool('openssl'))) this.skip();
    const tls = await makeCertificates(folder);
    await start(`tls { cert_file: "${tls.serverCert}", key_file: "${tls.serverKey}", ca_file: "${tls.caFile}", verify: true }`);
    const { url } = await started();
    const client = { caFile: tls.caFile, certFile: tls.clientCert, keyFile: tls.clientKey };
    await expectWorks(openConnected({ url }, { tls: client }));
    await expectWorks(openConnected({ url: url.replace('nats://127.0.0.1', 'tls://localhost') }, { tls: client }));
    await expectRefused({ tls: { certFile: tls.clientCert, keyFile: tls.clientKey } });
    await expectRefused({ tls: { caFile: tls.caFile } });
  });

  it('demands TLS when it is told to', async () => {
    await start('');
    await expectRefused({ tls: {} });
    await expectRefused({ servers: [(await started()).url.replace('nats:', 'tls:')] });
  });

  it('takes the size of messages from the server', async () => {
    await start('max_payload: 1000');
    const bus = await openConnected(await started());
    buses.push(bus);
    bus.serve('self', undefined, (payload) => Promise.resolve(payload));
    expect(bus.payloadBytesMax).to.equal(980);
    expect(await bus.request('self', 'x'.repeat(978), PATIENT)).to.have.length(978);
    expect((await rejection(bus.request('self', 'x'.repeat(979), PATIENT))).reason).to.equal('TOO_LARGE');
    expect(bus.connected).to.equal(true);
  });

  it('refuses requests when it may not receive answers, and says what to allow', async () => {
    await start('authorization { users: [ { user: me, password: me, permissions: { publish: ">", subscribe: "agent.>" } } ] }');
    const { log, lines } = recordingLogger();
    const bus = await openConnected(await started(), { auth: { type: 'password', user: 'me', password: 'me' }, log });
    buses.push(bus);
    await waitFor(() => lines.some((line) => line.includes('allow it to subscribe to _INBOX.>')), { what: 'the refusal is logged' });
    expect((await rejection(bus.request('agent.work', null, PATIENT))).reason).to.equal('NODE_UNAVAILABLE');
  });

  it('refuses what was planned before it heard that it may not receive answers', async () => {
    await start('authorization { users: [ { user: me, password: me, permissions: { publish: ">", subscribe: "agent.>" } } ] }');
    const { log, lines } = recordingLogger();
    const { clock, endTurn } = heldTurns();
    let planned: Promise<unknown> | undefined;
    const info: Logger['info'] = (message) => {
      // The bus is connected a moment later, and what the server says next comes after that.
      if (message !== 'nats connected') return;
      queueMicrotask(() => {
        planned = rejection(bus.request('agent.work', null, ENDLESS));
      });
    };
    const auth = { type: 'password', user: 'me', password: 'me' } as const;
    const bus = await open(await started(), { auth, clock, log: { ...log, info } });
    buses.push(bus);
    await waitFor(() => lines.some((line) => line.includes('allow it to subscribe to _INBOX.>')), { what: 'the refusal is logged' });
    endTurn();
    expect(await planned).to.have.property('reason', 'NODE_UNAVAILABLE');
  });

  it('logs a subject that it may not serve, and serves the others', async () => {
    await start(
      'authorization { users: [ { user: me, password: me, permissions: { publish: ">", subscribe: ["agent.>", "_INBOX.>"] } } ] }',
    );
    const { log, lines } = recordingLogger();
    const bus = await openConnected(await started(), { auth: { type: 'password', user: 'me', password: 'me' }, log });
    buses.push(bus);
    bus.serve('manager.work', undefined, () => Promise.resolve());
    bus.serve('agent.work', undefined, () => Promise.resolve('served'));
    await waitFor(() => lines.includes('error nats refused a subscription manager.work'), { what: 'the refusal is logged' });
    expect(await bus.request('agent.work', null, PATIENT)).to.equal('served');
  });

  it('finds the server that lives among several', async () => {
    await start('');
    const { url } = await started();
    // The discard port: nobody listens there.
    const bus = await openConnected({ url }, { servers: ['nats://127.0.0.1:9', url, 'nats://127.0.0.1:9'] });
    await expectWorks(Promise.resolve(bus));
  });

  function started(): Promise<NatsServer> {
    return server === undefined ? Promise.reject(new Error('start a server first')) : Promise.resolve(server);
  }
});

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** A server configuration with one operator and one account, and the creds file of a user of it. */
function operatorMode(): { readonly config: string; readonly creds: string } {
  const operator = createOperator();
  const account = createAccount();
  const user = createUser();
  const operatorJwt = signedClaims(operator, operator.getPublicKey(), { type: 'operator', version: 2 });
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = signedClaims(operator, account.getPublicKey(), { type: 'account', version: 2, limits });
  const userJwt = signedClaims(account, user.getPublicKey(), { type: 'user', version: 2, subs: -1, data: -1, payload: -1 });
  return {
    config: `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }\n`,
    creds: [
      `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n`,
      `-----BEGIN USER NKEY SEED-----\n${text(user.getSeed())}\n------END USER NKEY SEED------\n`,
    ].join('\n'),
  };
}

function signedClaims(issuer: KeyPair, subject: string, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(systemClock.wallMs() / 1_000);
  const claims = { jti: subject, iat, iss: issuer.getPublicKey(), name: 'test', sub: subject, nats };
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}

interface Certificates {
  readonly caFile: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

async function makeCertificates(folder: string): Promise<Certificates> {
  const path = (name: string): string => join(folder, name);
  const key = (name: string): readonly string[] => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    path(name),
  ];
  const openssl = async (...args: readonly string[]): Promise<unknown> => await exec('openssl', args);
  await openssl('req', '-x509', '-days', '2', '-subj', '/CN=test authority', ...key('ca.key'), '-out', path('ca.pem'));
  await writeFile(path('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  await writeFile(path('client.ext'), 'extendedKeyUsage=clientAuth');
  for (const name of ['server', 'client']) {
    // The serial file is shared.
    await openssl('req', '-new', '-subj', `/CN=${name}`, ...key(`${name}.key`), '-out', path(`${name}.csr`));
    const signer = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', path(`${name}.ext`)];
    await openssl('x509', '-req', '-in', path(`${name}.csr`), ...signer, '-out', path(`${name}.pem`));
  }
  const [serverCert, serverKey, clientCert, clientKey] = [path('server.pem'), path('server.key'), path('client.pem'), path('client.key')];
  return { caFile: path('ca.pem'), serverCert, serverKey, clientCert, clientKey };
}
