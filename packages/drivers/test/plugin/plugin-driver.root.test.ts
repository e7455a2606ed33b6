import { driverContract, isRoot } from '@volplane/testkit';
import { pluginWorld } from './plugin-world.js';

driverContract('hosted plugin, bound into place', async () => (isRoot() ? await pluginWorld({}) : undefined));
