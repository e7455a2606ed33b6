import { readFileSync } from 'node:fs';
import type { ServerTls } from './rpc-server.js';

/** The settings of a process that say how its gRPC door is guarded: paths of PEM files; empty = not set. */
export interface DoorSettings {
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly tlsClientCa: string;
}

/** @throws Node's own error when a file cannot be read */
export function tlsFrom(settings: DoorSettings): { readonly tls?: ServerTls } {
  const { tlsCert, tlsKey, tlsClientCa } = settings;
  if (tlsCert === '') return {};
  const clientCa = tlsClientCa === '' ? {} : { clientCa: readFileSync(tlsClientCa) };
  return { tls: { cert: readFileSync(tlsCert), key: readFileSync(tlsKey), ...clientCa } };
}
