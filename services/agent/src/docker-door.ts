import { AppError, systemClock, systemRandom, type ComponentGroup, type Logger } from '@volplane/base';
import { DockerPluginServer, planPlugins, type DoorApi, type PluginTcpOptions } from '@volplane/docker-plugin';
import type { DriverInfo } from '@volplane/domain';
import { openHostedPlugins } from '@volplane/drivers';
import type { ProgramRecorder } from '@volplane/host';
import type { VolumeDriver } from '@volplane/ports';
import type { AgentSettings } from './config.js';
import { dockerTlsFrom } from './docker-tls.js';

/** The Docker door as the settings want it; undefined when they want none. */
export async function openDockerDoor(
  settings: AgentSettings,
  parts: { readonly api: DoorApi; readonly drivers: readonly DriverInfo[]; readonly log: Logger },
): Promise<DockerPluginServer | undefined> {
  if (settings.dockerPlugins === '') return undefined;
  const { dockerDriver, dockerEngines, dockerGuard, dockerPlugins, dockerPrefix, node } = settings;
  const tcp = dockerTcpFrom(settings);
  return await DockerPluginServer.open({
    folder: dockerPlugins,
    sockets: planPlugins(parts.drivers, { prefix: dockerPrefix, ...(dockerDriver !== '' && { defaultDriver: dockerDriver }) }),
    api: parts.api,
    node,
    log: parts.log.child({ component: 'docker' }),
    clock: systemClock,
    random: systemRandom,
    ...(dockerGuard !== '' && { guardName: dockerGuard }),
    ...(dockerEngines.length > 0 && {
      engines: { sockets: dockerEngines, graceMs: settings.dockerGraceMs, intervalMs: LOOK_INTERVAL_SHARE * settings.dockerGraceMs },
    }),
    ...(tcp !== undefined && { tcp }),
  });
}

/** Of the grace: the time between two looks at the engines. */
const LOOK_INTERVAL_SHARE = 0.4;

/** The drivers and, where the settings name folders, those of volume plugins that others run. A name that is taken stays with its own driver. */
export async function addHostedPlugins(
  own: readonly VolumeDriver[],
  settings: AgentSettings,
  parts: { readonly group: ComponentGroup; readonly programs: ProgramRecorder; readonly log: Logger },
): Promise<readonly VolumeDriver[]> {
  const { group, programs, log } = parts;
  const [socketFolder, ...specFolders] = settings.hostPlugins;
  if (socketFolder === undefined) return own;
  const names = own.map(({ info }) => info.name);
  const { drivers, watch } = await openHostedPlugins({
    dataDir: settings.dataDir,
    folders: { socketFolder, specFolders },
    exclude: [...names, settings.dockerPrefix, settings.dockerGuard, ...names.map((name) => `${settings.dockerPrefix}-${name}`)],
    clock: systemClock,
    random: systemRandom,
    programs,
    log: log.child({ component: 'plugins' }),
  });
  group.start(watch);
  return [...own, ...drivers];
}

/** Where the Docker plugins are served on TCP; undefined = nowhere. @throws AppError INVALID_ARGUMENT; Node's own error for a file */
export function dockerTcpFrom(settings: AgentSettings): PluginTcpOptions | undefined {
  const { dockerSpecs, dockerTcp } = settings;
  if (dockerTcp === '') return undefined;
  const at = dockerTcp.lastIndexOf(':');
  const port = Number(dockerTcp.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new AppError('INVALID_ARGUMENT', `docker-tcp ${JSON.stringify(dockerTcp)} is not HOST:PORT`);
  const tls = dockerTlsFrom(settings);
  return { specFolder: dockerSpecs, host: dockerTcp.slice(0, at).replace(/^\[|\]$/g, ''), port, ...(tls !== undefined && { tls }) };
}
