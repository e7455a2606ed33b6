export { UnaryHost, type UnaryCall, type UnaryHandler, type UnaryHostOptions, type UnaryService } from './unary-host.js';
