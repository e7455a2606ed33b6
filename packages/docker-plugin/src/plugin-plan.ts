import { AppError } from '@volplane/base';
import type { DriverInfo } from '@volplane/domain';
import type { PluginSpec } from './docker-plugin-server.js';

export interface PluginPlanOptions {
  /** `volplane`: the plugin of the default global driver; the others are called PREFIX-DRIVER. */
  readonly prefix: string;
  /** The default global driver; absent = the first global one. */
  readonly defaultDriver?: string;
}

/**
 * One plugin for each driver. `local` is PREFIX-local as any other.
 *
 * @throws AppError INVALID_ARGUMENT when the default driver is none of the global ones
 */
export function planPlugins(drivers: readonly DriverInfo[], options: PluginPlanOptions): readonly PluginSpec[] {
  const { prefix, defaultDriver } = options;
  const globals = drivers.filter(({ capabilities }) => capabilities.scope === 'global');
  const chosen = defaultDriver === undefined ? globals[0] : globals.find(({ name }) => name === defaultDriver);
  if (chosen === undefined && defaultDriver !== undefined) {
    throw new AppError(
      'INVALID_ARGUMENT',
      `driver ${defaultDriver} cannot be the default for Docker: this node has no global driver of that name`,
    );
  }
  return drivers.map((info) => ({
    socketName: info === chosen ? prefix : `${prefix}-${info.name}`,
    driver: info.name,
    scope: info.capabilities.scope,
  }));
}
