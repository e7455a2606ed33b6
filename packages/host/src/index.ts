export { syncDirectory, writeFileAtomic } from './atomic-file.js';
