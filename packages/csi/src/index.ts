export { CSI_SETTINGS, csiOptionsFrom, type CsiSettings } from './csi-settings.js';
export { CsiServer, type CsiServerOptions } from './csi-server.js';
export { parseEndpoint } from './endpoint.js';
export { systemNodeHost, type FileSystemUsage, type NodeHost, type Room } from './node/node-host.js';
export { CSI_DEFAULTS, isPluginName, MAX_VOLUMES_LABEL, type CsiOptions } from './options.js';
export { isSpecLevel, SPEC_LEVEL_DEFAULT, SPEC_LEVELS, type SpecLevel } from './spec-level.js';
