/** Facts beside a constant message. Errors go under `error`; the logging package walks their causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * The log as every package sees it; winston stands behind it in the logging package only.
 *
 * `error`: someone must act. `warn`: may lead there. `info`: a few lines a state change. `debug`: a line a request.
 */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};
