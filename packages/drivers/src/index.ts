export type { DriverContext } from './driver-context.js';
export { LocalDriver, type LocalDriverConfig } from './local/local-driver.js';
export { SharedDriver, type SharedDriverConfig } from './shared/shared-driver.js';
export type { RootGuardConfig } from './shared/root-guard.js';
