export { type TlsClientPaths } from './discovery-file.js';
export { DockerPluginServer, type DockerPluginServerOptions, type PluginSpec, type PluginTcpOptions } from './docker-plugin-server.js';
export { type TlsServerFiles } from './plugin-endpoint.js';
export { type DoorApi } from './volume-calls.js';
