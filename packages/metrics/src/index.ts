export { openMetrics, parseMetricsAddress, type MetricsDoor } from './metrics-door.js';
export { METRICS_SETTINGS } from './metrics-settings.js';
export { PromTelemetry } from './prom-telemetry.js';
