import { text } from '@volplane/base';

/** The settings of a process for its metrics; part of each service's table. */
export const METRICS_SETTINGS = {
  metrics: {
    help: 'HOST:PORT to show metrics at, as /metrics in the format of Prometheus, for who can reach it (port 0 = any free one); empty = not shown.',
    fallback: '',
    parse: text,
  },
} as const;
