export type { TestServer } from './server-process.js';
export { startEtcd, startNatsServer, type EtcdOptions, type EtcdServer, type NatsOptions, type NatsServer } from './servers.js';
export { WAIT_TIMEOUT_MS, waitFor, type WaitForOptions } from './wait-for.js';
