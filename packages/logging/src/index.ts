export { createLogger, type LogFormat, type LoggerOptions, type LogLevel } from './create-logger.js';
