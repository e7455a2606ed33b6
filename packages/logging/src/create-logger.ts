import { systemClock, type LogFields, type Logger } from '@volplane/base';
import winston from 'winston';
import { IsoTime } from './iso-time.js';
import { jsonLine } from './json-line.js';
import { toPlain } from './plain-fields.js';
import { StderrLines } from './stderr-lines.js';
import { textLine, type Line } from './text-line.js';

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

/** A {@link Logger} on winston. A call below the level costs one comparison; a line is with the destination when the call returns. */
export function createLogger(options: LoggerOptions): Logger {
  // Asked for, it makes a pipe and a socket not block, which standard error's lines need.
  const stream = options.destination ?? process.stderr;
  const lines = options.destination ?? stderrLines();
  const transport = new winston.transports.Stream({
    stream,
    // winston's own sets a timer for each line, to emit an event that nobody hears.
    log: (info: winston.Logform.TransformableInfo, done) => {
      lines.write(`${String(info[MESSAGE])}\n`);
      done();
    },
  });
  const logger = winston.createLogger({
    level: options.level,
    levels: LEVELS,
    format: lineFormat(options.format === 'json' ? jsonLine : textLine),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types give its own transports by interface
    transports: [transport],
    exitOnError: false,
  });
  const log = new WinstonLogger(logger, LEVELS[options.level], options.fields ?? {});
  if (lines instanceof StderrLines) {
    lines.onLost = (count) => {
      log.warn('log lines were lost, because nobody read them', { lines: count });
    };
  }
  return log;
}

/** One for all loggers of the process: rests of lines must not get between others. */
function stderrLines(): StderrLines {
  if (shared === undefined) {
    const lines = new StderrLines({ fd: process.stderr.fd, clock: systemClock });
    process.on('exit', () => {
      lines.flush();
    });
    shared = lines;
  }
  return shared;
}

let shared: StderrLines | undefined;

/** One format for all of the line: a chain of winston's own costs as much as everything else together. */
function lineFormat(format: (line: Line) => string): winston.Logform.Format {
  const time = new IsoTime();
  return winston.format.printf(({ level, message, fields }) =>
    format({ timestamp: time.format(systemClock.wallMs()), level, message: message as string, fields: fields as Line['fields'] }),
  );
}

/** Where a format of winston leaves the finished line. */
const MESSAGE = Symbol.for('message');

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
    return new WinstonLogger(this.#logger, this.#levelMax, merged(this.#fields, fields));
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (LEVELS[level] > this.#levelMax) return;
    this.#logger.log({ level, message, fields: this.#plainFields(fields) });
  }

  /** A line is never lost for what is in its fields. */
  #plainFields(fields: LogFields | undefined): LogFields {
    try {
      return reserved(toPlain(merged(this.#fields, fields)));
    } catch (error) {
      return { fieldsUnreadable: String(error) };
    }
  }
}

/** A copy with the fields of both. Two spreads in one literal cost 4 µs in Node 20, which is as much as the rest of a line. */
function merged(fields: LogFields, more: LogFields = {}): LogFields {
  // Assigned, a field of this name would be no field any more.
  if (Object.hasOwn(fields, '__proto__') || Object.hasOwn(more, '__proto__')) return { ...fields, ...more };
  return Object.assign({}, fields, more);
}

/** `level`, `message` and `timestamp` are the line's own. */
function reserved(fields: LogFields): LogFields {
  if (!('level' in fields || 'message' in fields || 'timestamp' in fields)) return fields;
  const { level, message, timestamp, ...rest } = fields;
  return {
    ...rest,
    ...(level === undefined ? {} : { fieldLevel: level }),
    ...(message === undefined ? {} : { fieldMessage: message }),
    ...(timestamp === undefined ? {} : { fieldTimestamp: timestamp }),
  };
}
