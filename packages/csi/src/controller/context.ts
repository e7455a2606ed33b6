import type { Logger } from '@volplane/base';
import type { VolplaneApi } from '@volplane/engine';
import type { DriverCatalog } from '../driver-catalog.js';
import type { CsiOptions } from '../options.js';
import type { TopologyMap } from '../topology.js';

/** What the handlers of the Controller service work with. */
export interface ControllerContext {
  readonly api: VolplaneApi;
  readonly catalog: DriverCatalog;
  readonly topology: TopologyMap;
  readonly options: CsiOptions;
  readonly log: Logger;
}
