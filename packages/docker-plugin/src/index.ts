export { type TlsClientPaths } from './discovery-file.js';
export {
  DockerPluginServer,
  type DockerPluginServerOptions,
  type EngineOptions,
  type PluginSpec,
  type PluginTcpOptions,
} from './docker-plugin-server.js';
export { type TlsServerFiles } from './plugin-endpoint.js';
export { type DoorApi } from './volume-calls.js';
export { EngineClient, type EngineContainer, type EngineVolume } from './engine/engine-client.js';
export { planPlugins, type PluginPlanOptions } from './plugin-plan.js';
export { planImport, type ImportEntry, type ImportQuestion } from './import/plan-import.js';
export { runImport, type ImportOutcome } from './import/run-import.js';
