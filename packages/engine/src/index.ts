export type { CallContext, NodesApi, VolplaneApi, VolumesApi } from './api.js';
