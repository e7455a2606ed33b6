import type { Line } from './text-line.js';

/**
 * A log line for machines: one JSON object with `timestamp`, `level` and `message` first, then the fields in their order.
 *
 * The fields are plain already, so that this needs neither a search for cycles nor a replacer, which were most of the cost of a line.
 */
export function jsonLine({ timestamp, level, message, fields }: Line): string {
  const own = `{"timestamp":"${timestamp}","level":"${level}","message":${JSON.stringify(message)}`;
  const rest = JSON.stringify(fields);
  return rest === '{}' ? `${own}}` : `${own},${rest.slice(1)}`;
}
