import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorText } from '@volplane/base';
import { recordWatch, rejection, startEtcd, waitFor, type EtcdServer } from '@volplane/testkit';
import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { EtcdKv } from '../src/index.js';
import { put } from './writes.js';

describe('EtcdKv with a user and a password', () => {
  let etcd: EtcdServer;

  before(async () => {
    etcd = await startEtcd();
    await enableAuth(etcd);
  });

  after(async () => {
    await etcd.stop();
  });

  it('needs no more than a role for the prefix of the product', async () => {
    const kv = await EtcdKv.open({ endpoints: etcd.endpoints, username: 'manager', password: 'secret' });
    try {
      const record = recordWatch(kv, { prefix: '/volplane/', fromRevision: (await kv.currentRevision()) + 1 });
      const { lease } = await kv.grantLease(600_000);
      await kv.transact([put('/volplane/a', 'x', lease)]);
      await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
      expect(await kv.keepAliveLease(lease)).to.equal(true);
      await waitFor(
        () => {
          record.watch.requestProgress();
          return record.revision >= 1;
        },
        { what: 'progress is reported' },
      );
      expect(record.breaches).to.deep.equal([]);
    } finally {
      await kv.close();
    }
  });

  it('gets a token again when etcd has forgotten the old one, and its watch resumes', async () => {
    const kv = await EtcdKv.open({ endpoints: etcd.endpoints, username: 'manager', password: 'secret' });
    try {
      const record = recordWatch(kv, { prefix: '/volplane/token/', fromRevision: (await kv.currentRevision()) + 1 });
      await kv.transact([put('/volplane/token/a', 'x')]);
      await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
      // Simple tokens live in the memory of the member.
      await etcd.kill();
      await etcd.restart();
      await waitFor(() => kv.transact([put('/volplane/token/b', 'x')]), { what: 'writes are taken again' });
      await waitFor(() => record.events.length === 2, { what: 'the watch resumed' });
      expect(record.breaches).to.deep.equal([]);
    } finally {
      await kv.close();
    }
  });

  it('says what is wrong with a password, or with a key outside of the role', async () => {
    const wrong = await EtcdKv.open({ endpoints: etcd.endpoints, username: 'manager', password: 'guess' });
    const kv = await EtcdKv.open({ endpoints: etcd.endpoints, username: 'manager', password: 'secret' });
    try {
      const refusal = await rejection(wrong.transact([put('/volplane/a', 'x')]));
      expect(refusal.reason).to.equal('STORE_UNAVAILABLE');
      expect(errorText(refusal)).to.contain('authentication failed');
      const denial = await rejection(kv.transact([put('/elsewhere', 'x')]));
      expect(denial.reason).to.equal('STORE_UNAVAILABLE');
      expect(errorText(denial)).to.contain('permission denied');
      const record = recordWatch(kv, { prefix: '/elsewhere/', fromRevision: 1 });
      await waitFor(() => record.ended !== undefined, { what: 'the watch ended' });
      expect(String(record.ended)).to.contain('permission denied');
    } finally {
      await Promise.all([wrong.close(), kv.close()]);
    }
  });
});

describe('EtcdKv with TLS', () => {
  let folder: string;
  let etcd: EtcdServer;
  const pem = (name: string): string => join(folder, name);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-tls-'));
    await makeCertificates(folder);
    etcd = await startEtcd({ tls: { certFile: pem('server.pem'), keyFile: pem('server.key'), trustedCaFile: pem('ca.pem') } });
  });

  after(async () => {
    await etcd.stop();
    await rm(folder, { recursive: true });
  });

  it('shows its certificate, given as paths or as texts', async () => {
    const paths = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') };
    const [ca = '', cert = '', key = ''] = await Promise.all(Object.values(paths).map((path) => readFile(path, 'utf8')));
    for (const tls of [paths, { ca, cert, key }]) {
      const kv = await EtcdKv.open({ endpoints: etcd.endpoints, ...tls });
      try {
        // One client after the other.
        expect((await kv.transact([put('/volplane/tls', 'x')]))[0]?.succeeded).to.equal(true);
        expect((await kv.get('/volplane/tls')).entry?.value).to.equal('x');
      } finally {
        await kv.close();
      }
    }
  });

  it('is refused without a certificate, and refuses a server of another authority', async () => {
    const clients = [{ ca: pem('ca.pem') }, { ca: pem('other.pem'), cert: pem('client.pem'), key: pem('client.key') }, {}];
    for (const tls of clients) {
      const kv = await EtcdKv.open({ endpoints: etcd.endpoints, callTimeoutMs: 2_000, ...tls });
      try {
        // One client after the other.
        expect((await rejection(kv.get('/volplane/tls'))).reason).to.equal('STORE_UNAVAILABLE');
      } finally {
        await kv.close();
      }
    }
  });
});

/** User `manager` with password `secret` and a role for `/volplane/` only. */
async function enableAuth(etcd: EtcdServer): Promise<void> {
  const admin = new Etcd3({ hosts: [...etcd.endpoints] });
  try {
    await admin.auth.userAdd({ name: 'root', password: 'root' });
    await admin.auth.userGrantRole({ user: 'root', role: 'root' });
    await admin.auth.roleAdd({ name: 'managers' });
    const permission = { key: Buffer.from('/volplane/'), range_end: Buffer.from('/volplane0'), permType: 'Readwrite' as const };
    await admin.auth.roleGrantPermission({ name: 'managers', perm: permission });
    await admin.auth.userAdd({ name: 'manager', password: 'secret' });
    await admin.auth.userGrantRole({ user: 'manager', role: 'managers' });
    await admin.auth.authEnable();
  } finally {
    admin.close();
  }
}

/** `ca`, `other` (another authority), and `server` and `client` of `ca`, as PEM files. Needs the openssl tool. */
async function makeCertificates(folder: string): Promise<void> {
  const run = promisify(execFile);
  const openssl = async (...args: readonly string[]): Promise<void> => {
    await run('openssl', args, { cwd: folder });
  };
  for (const name of ['ca', 'other']) {
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    );
  }
  await writeFile(join(folder, 'names.txt'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
  for (const name of ['server', 'client']) {
    await openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const signing = ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
    await openssl(...signing, '-extfile', 'names.txt', '-out', `${name}.pem`);
  }
}
