import { integer, list, nonEmpty, oneOf, text, type Settings } from '@volplane/base';
import { CSI_SETTINGS } from '@volplane/csi';
import { METRICS_SETTINGS } from '@volplane/metrics';

/** Every setting of the manager; docs/configuration.md is generated from this table. */
export const MANAGER_SETTINGS = {
  id: { help: 'Name of this manager, unique among the live ones.', fallback: '', otherwise: 'host name and process id', parse: text },
  listen: {
    help: 'Addresses for callers: HOST:PORT (port 0 = any free one) or unix:PATH, separated by commas.',
    fallback: '127.0.0.1:7400',
    parse: list,
  },
  advertise: {
    help: 'The address that others reach this manager by, as shown under /volplane/managers/; default: the first one listened on.',
    fallback: '',
    parse: text,
  },
  etcd: {
    help: 'etcd endpoints, http://HOST:PORT or https://HOST:PORT, separated by commas.',
    fallback: 'http://127.0.0.1:2379',
    parse: list,
  },
  etcdUser: { help: 'etcd user; needs read and write on the prefix /volplane/.', fallback: '', parse: text },
  etcdPasswordFile: { help: 'File with the password of the etcd user.', fallback: '', parse: text },
  etcdCa: { help: 'PEM file: authority of the etcd certificates.', fallback: '', parse: text },
  etcdCert: { help: 'PEM file: client certificate for etcd.', fallback: '', parse: text },
  etcdKey: { help: 'PEM file: key of the client certificate for etcd.', fallback: '', parse: text },
  nats: { help: 'NATS servers, nats://HOST:PORT, separated by commas.', fallback: 'nats://127.0.0.1:4222', parse: list },
  natsUser: { help: 'NATS user.', fallback: '', parse: text },
  natsPasswordFile: { help: 'File with the password of the NATS user.', fallback: '', parse: text },
  natsCreds: { help: 'NATS credentials file (JWT and seed), instead of user and password.', fallback: '', parse: text },
  natsCa: { help: 'PEM file: authority of the NATS certificates; given, TLS is demanded.', fallback: '', parse: text },
  natsCert: { help: 'PEM file: client certificate for NATS.', fallback: '', parse: text },
  natsKey: { help: 'PEM file: key of the client certificate for NATS.', fallback: '', parse: text },
  tlsCert: { help: 'PEM file: certificate of the gRPC door; without it the door is clear text.', fallback: '', parse: text },
  tlsKey: { help: 'PEM file: key of the gRPC door.', fallback: '', parse: text },
  tlsClientCa: { help: 'PEM file: authority of callers; given, callers must show a certificate.', fallback: '', parse: text },
  sessionTtlMs: {
    help: 'How long a silent node’s session lives, in milliseconds; whole seconds, 2000 to 600000. The same at every manager.',
    fallback: '10000',
    parse: wholeSeconds,
  },
  brakeShare: {
    help: 'Automatic takeovers stop when more than this percentage of the nodes is lost at once; 1 to 100.',
    fallback: '34',
    parse: integer(1, 100),
  },
  brakePerMinute: {
    help: 'Automatic takeovers that one manager grants in a minute; 1 to 100000.',
    fallback: '200',
    parse: integer(1, 100_000),
  },
  ...CSI_SETTINGS,
  ...METRICS_SETTINGS,
  logLevel: { help: 'error, warn, info or debug.', fallback: 'info', parse: oneOf('error', 'warn', 'info', 'debug') },
  logFormat: { help: 'json or text.', fallback: 'json', parse: oneOf('json', 'text') },
  hostName: { help: 'Name of this host, for the default id.', fallback: 'manager', parse: nonEmpty },
} as const;

export type ManagerSettings = Settings<typeof MANAGER_SETTINGS>;

/** etcd counts leases in seconds, and gives none below two election timeouts (about 2 s by default). */
function wholeSeconds(value: string): number {
  const ms = integer(2_000, 600_000)(value);
  if (ms % 1_000 !== 0) throw new Error('is not a whole number of seconds');
  return ms;
}
