import type { LogFields, Logger } from '@volplane/base';

export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields?: LogFields;
}

/** A logger whose lines can be read afterwards. */
export function recordingLogger(lines: LogLine[]): Logger {
  const record = (level: LogLine['level']) => (message: string, fields?: LogFields) => {
    lines.push(fields === undefined ? { level, message } : { level, message, fields });
  };
  const log: Logger = { error: record('error'), warn: record('warn'), info: record('info'), debug: record('debug'), child: () => log };
  return log;
}
