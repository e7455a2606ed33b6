import type { CallGate, CsiCall } from './call-gate.js';
import { advertise, EXPANSION_TYPE, PLUGIN_CAPABILITIES } from './capability-lists.js';
import type { DriverCatalog } from './driver-catalog.js';
import type { CsiHandlers } from './handlers.js';
import type { CsiOptions } from './options.js';
import type { Logger } from '@volplane/base';

/**
 * The Identity service. Probe tells local state only: ready once the drivers were heard of, so that nobody learns too
 * short a list of capabilities and keeps it. It never waits for the control plane and never fails.
 */
export function identityHandlers(parts: {
  readonly options: CsiOptions;
  readonly catalog: DriverCatalog;
  readonly gate: CallGate;
  readonly log: Logger;
}): CsiHandlers {
  const { options, catalog, gate, log } = parts;
  return {
    GetPluginInfo: async () => ({ name: options.name, vendor_version: options.vendorVersion, manifest: {} }),
    GetPluginCapabilities: async () => ({
      capabilities: [
        ...advertise(PLUGIN_CAPABILITIES, options.specLevel, []).map((type) => ({ service: { type } })),
        { volume_expansion: { type: EXPANSION_TYPE } },
      ],
    }),
    Probe: async (_request: object, call: CsiCall) => {
      if (!catalog.isKnown) {
        // Asked again by every Probe until it works; the answer comes with a later one.
        gate
          .read(call, (context) => catalog.list(context))
          .catch((error: unknown) => {
            log.debug('drivers not known yet', { error });
          });
      }
      return { ready: { value: catalog.isKnown } };
    },
  };
}
