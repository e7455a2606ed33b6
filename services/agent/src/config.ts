import { hostname } from 'node:os';
import { AppError, boolean, integer, list, nonEmpty, oneOf, pairs, text, type Settings } from '@volplane/base';
import { CSI_SETTINGS } from '@volplane/csi';
import { isNodeName, parseNodeName } from '@volplane/domain';
import { METRICS_SETTINGS } from '@volplane/metrics';

/** Every setting of the agent; docs/configuration.md is generated from this table. */
export const AGENT_SETTINGS = {
  node: {
    help: 'Name of this node in the cluster: 1 to 63 of [a-z0-9.-].',
    fallback: undefined,
    otherwise: 'the host name',
    parse: nodeName,
  },
  dataDir: {
    help: 'Folder of the agent’s journal and of its local volumes; on a disk of this node, never shared.',
    fallback: '/var/lib/volplane',
    parse: nonEmpty,
  },
  listen: {
    help: 'Addresses for callers on this node: HOST:PORT (port 0 = any free one) or unix:PATH, separated by commas.',
    fallback: 'unix:/run/volplane/agent.sock,127.0.0.1:7401',
    parse: list,
  },
  nats: { help: 'NATS servers, nats://HOST:PORT, separated by commas.', fallback: 'nats://127.0.0.1:4222', parse: list },
  natsUser: {
    help: 'NATS user; needs to publish to volplane.v1.managers and to serve volplane.v1.node.<its name>.',
    fallback: '',
    parse: text,
  },
  natsPasswordFile: { help: 'File with the password of the NATS user.', fallback: '', parse: text },
  natsCreds: { help: 'NATS credentials file (JWT and seed), instead of user and password.', fallback: '', parse: text },
  natsCa: { help: 'PEM file: authority of the NATS certificates; given, TLS is demanded.', fallback: '', parse: text },
  natsCert: { help: 'PEM file: client certificate for NATS.', fallback: '', parse: text },
  natsKey: { help: 'PEM file: key of the client certificate for NATS.', fallback: '', parse: text },
  tlsCert: { help: 'PEM file: certificate of the gRPC door’s TCP addresses; without it they are clear text.', fallback: '', parse: text },
  tlsKey: { help: 'PEM file: key of the gRPC door.', fallback: '', parse: text },
  tlsClientCa: { help: 'PEM file: authority of callers; given, callers must show a certificate.', fallback: '', parse: text },
  labels: { help: 'Labels of this node for placement, KEY=VALUE, separated by commas.', fallback: '', parse: pairs },
  drivers: {
    help: 'JSON file with the list of this node’s drivers (docs/drivers.md); without it only `local` runs.',
    fallback: '',
    parse: text,
  },
  dockerPlugins: {
    help: 'Folder for the Docker plugin sockets, usually /run/docker/plugins; empty = no Docker door.',
    fallback: '',
    parse: text,
  },
  dockerPrefix: {
    help: 'Name of the Docker plugin for the default global driver; the others are PREFIX-DRIVER, the local one PREFIX-local.',
    fallback: 'volplane',
    parse: nonEmpty,
  },
  dockerDriver: { help: 'The default global driver for Docker.', fallback: '', otherwise: 'the first global one', parse: text },
  dockerEngines: {
    help: 'API sockets of all engines that use the plugin folder, separated by commas: asked which containers run, so that a use that an engine forgot ends. Empty = not asked.',
    fallback: '/run/docker.sock',
    parse: list,
  },
  dockerGraceMs: {
    help: 'How old a use of a volume is at least, in milliseconds, before it can end because no container is left; 1000 to 3600000.',
    fallback: '150000',
    parse: integer(1_000, 3_600_000),
  },
  dockerGuard: {
    help: 'Name of an authorization plugin that refuses creates with other options for a volume that exists (docs/docker.md); empty = none.',
    fallback: '',
    parse: text,
  },
  dockerTcp: {
    help: 'HOST:PORT to serve the Docker plugins on as well, the first one’s port, the others follow; empty = none.',
    fallback: '',
    parse: text,
  },
  dockerSpecs: { help: 'Folder for the discovery files of the plugins on TCP.', fallback: '/etc/docker/plugins', parse: nonEmpty },
  dockerTlsCert: { help: 'PEM file: certificate of the Docker plugins on TCP; without it they are clear text.', fallback: '', parse: text },
  dockerTlsKey: { help: 'PEM file: key of the Docker plugins on TCP.', fallback: '', parse: text },
  dockerTlsClientCa: { help: 'PEM file: authority of the engines; given, an engine must show a certificate.', fallback: '', parse: text },
  dockerTlsServerCa: {
    help: 'PEM file on the engine’s host, named in the discovery files: authority of the plugins’ certificate.',
    fallback: '',
    parse: text,
  },
  dockerTlsEngineCert: {
    help: 'PEM file on the engine’s host, named in the discovery files: the engine’s certificate.',
    fallback: '',
    parse: text,
  },
  dockerTlsEngineKey: {
    help: 'PEM file on the engine’s host, named in the discovery files: key of the engine’s certificate.',
    fallback: '',
    parse: text,
  },
  hostPlugins: {
    help: 'Use volume plugins of others as drivers: the folders where engines find them, sockets first, separated by commas; usually /run/docker/plugins,/etc/docker/plugins,/usr/lib/docker/plugins. Empty = none.',
    fallback: '',
    parse: list,
  },
  ...CSI_SETTINGS,
  csiController: {
    help: 'Serve the controller on the CSI endpoint too, as callers want it who know one plugin for all.',
    fallback: 'false',
    parse: boolean,
  },
  ...METRICS_SETTINGS,
  logLevel: { help: 'error, warn, info or debug.', fallback: 'info', parse: oneOf('error', 'warn', 'info', 'debug') },
  logFormat: { help: 'json or text.', fallback: 'json', parse: oneOf('json', 'text') },
} as const;

export type AgentSettings = Settings<typeof AGENT_SETTINGS>;

function nodeName(value: string): ReturnType<typeof parseNodeName> {
  try {
    return parseNodeName(value);
  } catch (error) {
    if (error instanceof AppError) throw new Error(`is not allowed: ${error.message}`, { cause: error });
    throw error;
  }
}

/** The host name, lower-cased, as far as it can be a node name; else undefined and the setting must be given. */
export function defaultNodeName(): string | undefined {
  const name = hostname().toLowerCase();
  return isNodeName(name) ? name : undefined;
}
