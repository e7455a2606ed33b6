import type { Logger } from './logger.js';

/** The exit codes of Volplane's processes, after sysexits. */
export const EXIT = { ok: 0, failed: 1, forced: 2, fault: 70, config: 78 } as const;

/** The little of a process that its end needs; `process` is one. */
export interface ProcessLike {
  exitCode?: number | string | null | undefined;
  on(event: string, listener: (...args: never[]) => void): unknown;
  exit(code?: number): never;
}

/**
 * Ends the process in order: the first SIGTERM or SIGINT stops it, the second, or {@link STOP_MS} without an end, forces it. A fault that nobody
 * caught is logged and ends the process at once, because nothing that it holds can be trusted any more.
 *
 * @param stop - ends all effects; idempotent
 * @returns a function that begins the stop with an exit code, for failures of the process's own parts
 */
export function superviseProcess(
  host: ProcessLike,
  log: Logger,
  stop: () => Promise<void>,
  after: (delayMs: number, callback: () => void) => () => void,
): (code: number) => void {
  let stopping = false;
  const begin = (code: number): void => {
    if (stopping) return;
    stopping = true;
    host.exitCode = code;
    const cancel = after(STOP_MS, () => {
      log.error('stop took too long, forced');
      host.exit(EXIT.forced);
    });
    stop()
      .catch((error: unknown) => {
        log.error('stop failed', { error });
        host.exitCode = EXIT.failed;
      })
      .finally(cancel)
      .catch(() => undefined);
  };
  const onSignal = (signal: string) => (): void => {
    if (stopping) host.exit(EXIT.forced);
    log.info('stopping', { signal });
    begin(EXIT.ok);
  };
  host.on('SIGTERM', onSignal('SIGTERM'));
  host.on('SIGINT', onSignal('SIGINT'));
  const onFault = (what: string) => (error: unknown) => {
    log.error(what, { error });
    host.exit(EXIT.fault);
  };
  host.on('unhandledRejection', onFault('unhandled rejection'));
  host.on('uncaughtException', onFault('uncaught exception'));
  return begin;
}

/** Longer than any drain; service managers kill after 30 s or more. */
const STOP_MS = 25_000;
