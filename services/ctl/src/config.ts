import { integer, list, oneOf, text, type Settings } from '@volplane/base';

/** Every setting of volctl, as a flag of any command and as a variable; docs/configuration.md is generated from this table. */
export const CTL_SETTINGS = {
  address: {
    help: 'Managers, or one agent: HOST:PORT, [IPV6]:PORT or unix:PATH, separated by commas; later ones are tried when earlier ones do not answer.',
    fallback: '127.0.0.1:7400',
    parse: addresses,
  },
  timeoutMs: { help: 'How long one call may take, in milliseconds; 1 to 600000.', fallback: '30000', parse: integer(1, 600_000) },
  output: { help: 'table for people, json for programs.', fallback: 'table', parse: oneOf('table', 'json') },
  tlsCa: {
    help: 'PEM file: authority of the server’s certificate. With any of these four TLS is demanded; without this one by the authorities of the system.',
    fallback: '',
    parse: text,
  },
  tlsCert: { help: 'PEM file: certificate to show to the server.', fallback: '', parse: text },
  tlsKey: { help: 'PEM file: key of that certificate.', fallback: '', parse: text },
  tlsServerName: { help: 'Name in the server’s certificate, where it is not the address.', fallback: '', parse: text },
} as const;

export type CtlSettings = Settings<typeof CTL_SETTINGS>;

export const ENVIRONMENT_PREFIX = 'VOLPLANE';

/** The environment of this process, which only this file reads. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

function addresses(value: string): readonly string[] {
  const all = list(value);
  if (all.length === 0) throw new Error('names no address');
  return all;
}
