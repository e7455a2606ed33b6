import type { Logger } from '@volplane/base';
import type { StringMap } from '@volplane/domain';
import type { VolplaneApi } from '@volplane/engine';
import type { DriverCatalog } from '../driver-catalog.js';
import type { CsiOptions } from '../options.js';
import type { TopologyMap } from '../topology.js';
import type { NodeHost } from './node-host.js';

/** What the handlers of the Node service work with. */
export interface NodeContext {
  /** This node's own agent. */
  readonly api: VolplaneApi;
  readonly catalog: DriverCatalog;
  readonly topology: TopologyMap;
  readonly options: CsiOptions;
  readonly host: NodeHost;
  readonly node: { readonly name: string; readonly labels: StringMap };
  readonly log: Logger;
}
