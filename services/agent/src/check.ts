import { faultsOf } from '@volplane/base';
import { checkNats, credentialsFrom } from '@volplane/bus-nats';
import { parseEndpoint } from '@volplane/csi';
import { readDriverEntries } from '@volplane/drivers';
import { parseMetricsAddress } from '@volplane/metrics';
import { checkListen, tlsFrom } from '@volplane/rpc';
import type { AgentSettings } from './config.js';
import { dockerTcpFrom } from './docker-door.js';

/** What is wrong with settings of the right form: addresses that are none, files that cannot be read or used, halves of what goes together. */
export function checkAgent(settings: AgentSettings): Promise<readonly string[]> {
  return faultsOf([
    () => {
      checkListen(settings.listen);
    },
    () => tlsFrom(settings),
    () => checkNats({ servers: settings.nats, ...credentialsFrom(settings) }),
    () => readDriverEntries(settings.drivers),
    () => (settings.dockerPlugins === '' ? undefined : dockerTcpFrom(settings)),
    () => parseMetricsAddress(settings.metrics),
    () => (settings.csi === '' ? undefined : parseEndpoint(settings.csi)),
  ]);
}
