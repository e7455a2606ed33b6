import { faultsOf } from '@volplane/base';
import { checkNats, credentialsFrom } from '@volplane/bus-nats';
import { parseEndpoint } from '@volplane/csi';
import { parseMetricsAddress } from '@volplane/metrics';
import { checkListen, tlsFrom } from '@volplane/rpc';
import { checkEtcdOptions } from '@volplane/store-etcd';
import type { ManagerSettings } from './config.js';
import { etcdAccess } from './context.js';

/** What is wrong with settings of the right form: addresses that are none, files that cannot be read, halves of what goes together. */
export function checkManager(settings: ManagerSettings): Promise<readonly string[]> {
  return faultsOf([
    () => {
      checkListen(settings.listen);
    },
    () => tlsFrom(settings),
    () => checkEtcdOptions({ endpoints: settings.etcd, ...etcdAccess(settings) }),
    () => checkNats({ servers: settings.nats, ...credentialsFrom(settings) }),
    () => parseMetricsAddress(settings.metrics),
    () => (settings.csi === '' ? undefined : parseEndpoint(settings.csi)),
  ]);
}
