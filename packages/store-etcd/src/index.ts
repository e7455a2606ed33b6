export { EtcdKv } from './etcd-kv.js';
export { checkEtcdOptions } from './options.js';
export { BARRIER_KEY, CALL_TIMEOUT_MS, ENDPOINTS_MAX, WATCH_RESUME_MS, type EtcdKvOptions } from './options.js';
