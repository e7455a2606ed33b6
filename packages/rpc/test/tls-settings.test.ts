import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { tlsFrom } from '@volplane/rpc';
import { expect } from 'chai';

describe('settings of TLS at the gRPC door', () => {
  let folder: string;
  const path = (name: string): string => join(folder, name);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'volplane-tls-'));
    for (const name of ['cert', 'key', 'ca']) writeFileSync(path(name), name);
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('are the texts of the files, or clear text where none is named', () => {
    expect(tlsFrom({ tlsCert: '', tlsKey: '', tlsClientCa: '' })).to.deep.equal({});
    const own = { cert: Buffer.from('cert'), key: Buffer.from('key') };
    expect(tlsFrom({ tlsCert: path('cert'), tlsKey: path('key'), tlsClientCa: '' })).to.deep.equal({ tls: own });
    expect(tlsFrom({ tlsCert: path('cert'), tlsKey: path('key'), tlsClientCa: path('ca') })).to.deep.equal({
      tls: { ...own, clientCa: Buffer.from('ca') },
    });
  });

  it('are refused where a part is missing, so that a door that was meant to be guarded does not open in clear text', () => {
    for (const [tlsCert, tlsKey, tlsClientCa] of [
      ['', '', 'ca'],
      ['', 'key', ''],
      ['', 'key', 'ca'],
      ['cert', '', ''],
      ['cert', '', 'ca'],
    ] as const) {
      const named = (name: string): string => (name === '' ? '' : path(name));
      const settings = { tlsCert: named(tlsCert), tlsKey: named(tlsKey), tlsClientCa: named(tlsClientCa) };
      expect(() => tlsFrom(settings), JSON.stringify(settings))
        .to.throw(AppError, '--tls-cert')
        .with.property('reason', 'INVALID_ARGUMENT');
    }
  });
});
