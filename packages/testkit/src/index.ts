export { rejection } from './rejection.js';
export { hasTool, isRoot, loopsBelow, makeTestFolder, mountsBelow, type TestFolder } from './root-test.js';
export type { TestServer } from './server-process.js';
export { startEtcd, startNatsServer, type EtcdOptions, type EtcdServer, type NatsOptions, type NatsServer } from './servers.js';
export { WAIT_TIMEOUT_MS, waitFor, type WaitForOptions } from './wait-for.js';
