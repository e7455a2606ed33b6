export type { DriverContext } from './driver-context.js';
export { LocalDriver, type LocalDriverConfig } from './local/local-driver.js';
export { SharedDriver, type SharedDriverConfig } from './shared/shared-driver.js';
export type { RootGuardConfig } from './shared/root-guard.js';
export { HostedPlugins, type ConfiguredPlugin, type HostedPluginsOptions, type HostedPluginStatus } from './plugin/hosted-plugins.js';
export type { PluginVolume } from './plugin/plugin-answers.js';
export { PluginClient, type PluginAddress, type PluginClientOptions } from './plugin/plugin-client.js';
export { discoverPlugins, parsePluginUrl, type FoundPlugin, type PluginDiscovery, type PluginFolders } from './plugin/plugin-discovery.js';
export { PluginDriver, type PluginDriverConfig } from './plugin/plugin-driver.js';
