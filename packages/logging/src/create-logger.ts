import type { LogFields, Logger } from '@volplane/base';
import winston from 'winston';
import { toPlain } from './plain-fields.js';
import { textLine } from './text-line.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFormat = 'json' | 'text';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `json`: one object a line, for machines. `text`: for people; errors take further lines. */
  readonly format: LogFormat;
  /** Added to each line. */
  readonly fields?: LogFields;
  /** Default: standard error. */
  readonly destination?: NodeJS.WritableStream;
}

/** A {@link Logger} on winston. A call below the level costs one comparison. */
export function createLogger(options: LoggerOptions): Logger {
  const stream = options.destination ?? process.stderr;
  const logger = winston.createLogger({
    level: options.level,
    levels: LEVELS,
    format:
      options.format === 'json'
        ? winston.format.combine(winston.format.timestamp(), winston.format.json())
        : winston.format.combine(winston.format.timestamp(), winston.format.printf(textLine)),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types give its own transports by interface
    transports: [new winston.transports.Stream({ stream })],
    exitOnError: false,
  });
  return new WinstonLogger(logger, LEVELS[options.level], options.fields ?? {});
}

const LEVELS = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>;

class WinstonLogger implements Logger {
  readonly #logger: winston.Logger;
  readonly #levelMax: number;
  readonly #fields: LogFields;

  constructor(logger: winston.Logger, levelMax: number, fields: LogFields) {
    this.#logger = logger;
    this.#levelMax = levelMax;
    this.#fields = fields;
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields);
  }

  child(fields: LogFields): Logger {
    return new WinstonLogger(this.#logger, this.#levelMax, { ...this.#fields, ...fields });
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (LEVELS[level] > this.#levelMax) return;
    this.#logger.log({ ...this.#plainFields(fields), level, message });
  }

  /** A line is never lost for what is in its fields. */
  #plainFields(fields: LogFields | undefined): Record<string, unknown> {
    try {
      return reserved(toPlain({ ...this.#fields, ...fields }));
    } catch (error) {
      return { fieldsUnreadable: String(error) };
    }
  }
}

/** winston keeps `level`, `message` and `timestamp` for itself. */
function reserved(fields: Record<string, unknown>): Record<string, unknown> {
  if (!('level' in fields || 'message' in fields || 'timestamp' in fields)) return fields;
  const { level, message, timestamp, ...rest } = fields;
  return {
    ...rest,
    ...(level === undefined ? {} : { fieldLevel: level }),
    ...(message === undefined ? {} : { fieldMessage: message }),
    ...(timestamp === undefined ? {} : { fieldTimestamp: timestamp }),
  };
}
