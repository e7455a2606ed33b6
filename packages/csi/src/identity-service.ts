import type { CallGate, CsiCall } from './call-gate.js';
import { advertise, EXPANSION_TYPE, PLUGIN_CAPABILITIES } from './capability-lists.js';
import type { DriverCatalog } from './driver-catalog.js';
import type { CsiHandlers } from './handlers.js';
import type { CsiOptions } from './options.js';
import type { Logger } from '@volplane/base';

/**
 * The Identity service. Probe tells local state only: ready once the drivers were heard of, so that nobody learns too
 * short a list of capabilities and keeps it. It never waits for the control plane and never fails.
 *
 * Where one socket serves all it is ready at once, after a short wait for the drivers: Swarm takes a plugin that was not ready when it was
 * first asked for one without a controller, until the engine starts anew, and then shows volumes as created that nobody has made.
 */
export function identityHandlers(parts: {
  readonly options: CsiOptions;
  readonly catalog: DriverCatalog;
  readonly gate: CallGate;
  readonly log: Logger;
  readonly servesAll: boolean;
}): CsiHandlers {
  const { options, catalog, gate, log, servesAll } = parts;
  /** Asked again by every Probe until it works; the answer comes with a later one. */
  const learnDrivers = async (call: CsiCall): Promise<void> => {
    try {
      await gate.read(call, (context) => catalog.list(context));
    } catch (error) {
      log.debug('drivers not known yet', { error });
    }
  };
  return {
    GetPluginInfo: async () => ({ name: options.name, vendor_version: options.vendorVersion, manifest: {} }),
    GetPluginCapabilities: async () => ({
      capabilities: [
        ...advertise(PLUGIN_CAPABILITIES, options.specLevel, []).map((type) => ({ service: { type } })),
        { volume_expansion: { type: EXPANSION_TYPE } },
      ],
    }),
    Probe: async (_request: object, call: CsiCall) => {
      if (catalog.isKnown) return { ready: { value: true } };
      const learned = learnDrivers(servesAll ? { timeoutMs: Math.min(call.timeoutMs, LEARN_MS_MAX) } : call);
      if (servesAll) await learned;
      return { ready: { value: servesAll || catalog.isKnown } };
    },
  };
}

/** Long for managers that are there; an engine that starts waits for it. */
const LEARN_MS_MAX = 3_000;
