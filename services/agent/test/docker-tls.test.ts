import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { expect } from 'chai';
import { dockerTlsFrom, type DockerTlsSettings } from '../src/docker-tls.js';

const NONE: DockerTlsSettings = {
  dockerTlsCert: '',
  dockerTlsKey: '',
  dockerTlsClientCa: '',
  dockerTlsServerCa: '',
  dockerTlsEngineCert: '',
  dockerTlsEngineKey: '',
};

describe('settings of TLS at the Docker plugins on TCP', () => {
  let folder: string;
  let own: Pick<DockerTlsSettings, 'dockerTlsCert' | 'dockerTlsKey'>;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'volplane-tls-'));
    for (const name of ['cert', 'key', 'ca']) writeFileSync(join(folder, name), name);
    own = { dockerTlsCert: join(folder, 'cert'), dockerTlsKey: join(folder, 'key') };
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('are clear text where nothing is set, else the texts of the own files and the paths of the engine’s', () => {
    expect(dockerTlsFrom(NONE)).to.equal(undefined);
    expect(dockerTlsFrom({ ...NONE, ...own })).to.deep.equal({ server: { cert: 'cert', key: 'key' }, client: { caFile: '' } });
    const engine = { dockerTlsServerCa: '/ca', dockerTlsEngineCert: '/cert', dockerTlsEngineKey: '/key' };
    expect(dockerTlsFrom({ ...NONE, ...own, ...engine, dockerTlsClientCa: join(folder, 'ca') })).to.deep.equal({
      server: { cert: 'cert', key: 'key', ca: 'ca' },
      client: { caFile: '/ca', certFile: '/cert', keyFile: '/key' },
    });
  });

  it('are refused where a part is missing, so that a door that was meant to be guarded does not open in clear text', () => {
    for (const part of Object.keys(NONE)) {
      const settings = { ...NONE, [part]: join(folder, 'ca') };
      expect(() => dockerTlsFrom(settings), part)
        .to.throw(AppError, '--docker-tls-')
        .with.property('reason', 'INVALID_ARGUMENT');
    }
    const half = { ...NONE, ...own, dockerTlsEngineCert: '/cert' };
    expect(() => dockerTlsFrom(half)).to.throw(AppError, '--docker-tls-engine-key');
  });
});
