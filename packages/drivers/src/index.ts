export type { DriverContext } from './driver-context.js';
export { LocalDriver, type LocalDriverConfig } from './local/local-driver.js';
