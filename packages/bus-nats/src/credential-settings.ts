import { readFileSync } from 'node:fs';
import type { NatsCredentials } from './connection-options.js';

/** The settings of a process that say how it shows itself to NATS; empty = not set. */
export interface NatsSettings {
  readonly natsUser: string;
  readonly natsPasswordFile: string;
  readonly natsCreds: string;
  readonly natsCa: string;
  readonly natsCert: string;
  readonly natsKey: string;
}

/** @throws Node's own error when the password file cannot be read */
export function credentialsFrom(settings: NatsSettings): NatsCredentials {
  const { natsUser, natsPasswordFile, natsCreds, natsCa, natsCert, natsKey } = settings;
  const password = (): string => (natsPasswordFile === '' ? '' : readFileSync(natsPasswordFile, 'utf8').trim());
  const tls = {
    ...(natsCa === '' ? {} : { caFile: natsCa }),
    ...(natsCert === '' ? {} : { certFile: natsCert }),
    ...(natsKey === '' ? {} : { keyFile: natsKey }),
  };
  const withTls = Object.keys(tls).length === 0 ? {} : { tls };
  if (natsCreds !== '') return { auth: { type: 'creds', credsFile: natsCreds }, ...withTls };
  if (natsUser !== '') return { auth: { type: 'password', user: natsUser, password: password() }, ...withTls };
  return withTls;
}
