export { Agent, type AgentOptions } from './agent/agent.js';
export type { CallContext, NodesApi, VolplaneApi, VolumesApi } from './api.js';
export { DEFAULT_BRAKE, type BrakeLimits } from './manager/brake.js';
export { Manager, type ManagerOptions } from './manager/manager.js';
