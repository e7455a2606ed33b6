import { readFileSync } from 'node:fs';
import { AppError } from '@volplane/base';
import type { PluginTcpOptions } from '@volplane/docker-plugin';
import { requireKeyPair } from '@volplane/rpc';
import type { AgentSettings } from './config.js';

export type DockerTlsSettings = Pick<
  AgentSettings,
  'dockerTlsCert' | 'dockerTlsKey' | 'dockerTlsClientCa' | 'dockerTlsServerCa' | 'dockerTlsEngineCert' | 'dockerTlsEngineKey'
>;

/**
 * How the Docker plugins on TCP are guarded; undefined = clear text, where nothing of TLS is set.
 *
 * @throws AppError INVALID_ARGUMENT for a part of the settings that means nothing alone: a door that was meant to be guarded must not
 * open in clear text. Node's own error when a file cannot be read
 */
export function dockerTlsFrom(settings: DockerTlsSettings): PluginTcpOptions['tls'] {
  const { dockerTlsCert, dockerTlsClientCa, dockerTlsEngineCert, dockerTlsEngineKey, dockerTlsKey, dockerTlsServerCa } = settings;
  requireKeyPair('docker-tls-cert', dockerTlsCert, 'docker-tls-key', dockerTlsKey);
  requireKeyPair('docker-tls-engine-cert', dockerTlsEngineCert, 'docker-tls-engine-key', dockerTlsEngineKey);
  if (dockerTlsCert === '') {
    if (dockerTlsClientCa + dockerTlsServerCa + dockerTlsEngineCert === '') return undefined;
    const text =
      'the Docker plugins on TCP would be in clear text: with any setting of --docker-tls give --docker-tls-cert and --docker-tls-key';
    throw new AppError('INVALID_ARGUMENT', text, { field: 'docker-tls-cert' });
  }
  const server = {
    cert: readFileSync(dockerTlsCert, 'utf8'),
    key: readFileSync(dockerTlsKey, 'utf8'),
    ...(dockerTlsClientCa !== '' && { ca: readFileSync(dockerTlsClientCa, 'utf8') }),
  };
  const client = {
    caFile: dockerTlsServerCa,
    ...(dockerTlsEngineCert !== '' && { certFile: dockerTlsEngineCert, keyFile: dockerTlsEngineKey }),
  };
  return { server, client };
}
