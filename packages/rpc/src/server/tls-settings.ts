import { readFileSync } from 'node:fs';
import { AppError } from '@volplane/base';
import type { ServerTls } from './rpc-server.js';

/** The settings of a process that say how its gRPC door is guarded: paths of PEM files; empty = not set. */
export interface DoorSettings {
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly tlsClientCa: string;
}

/**
 * @throws AppError INVALID_ARGUMENT for a part of the settings that means nothing alone: a door that was meant to be guarded must not
 * open in clear text. Node's own error when a file cannot be read
 */
export function tlsFrom(settings: DoorSettings): { readonly tls?: ServerTls } {
  const { tlsCert, tlsKey, tlsClientCa } = settings;
  requireKeyPair('tls-cert', tlsCert, 'tls-key', tlsKey);
  if (tlsCert === '') {
    if (tlsClientCa === '') return {};
    throw new AppError(
      'INVALID_ARGUMENT',
      'callers cannot be asked for certificates in clear text: with --tls-client-ca give --tls-cert and --tls-key of the gRPC door too',
      { field: 'tls-cert' },
    );
  }
  const clientCa = tlsClientCa === '' ? {} : { clientCa: readFileSync(tlsClientCa) };
  return { tls: { cert: readFileSync(tlsCert), key: readFileSync(tlsKey), ...clientCa } };
}

/** Both settings are given, or neither. @throws AppError INVALID_ARGUMENT naming the one that is missing */
export function requireKeyPair(certName: string, cert: string, keyName: string, key: string): void {
  if ((cert === '') === (key === '')) return;
  const text = `a certificate needs its key: give --${certName} and --${keyName} together`;
  throw new AppError('INVALID_ARGUMENT', text, { field: cert === '' ? certName : keyName });
}
