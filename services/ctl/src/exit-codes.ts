import type { AppError, ReasonKind } from '@volplane/base';

/** What the exit code tells a script; shown in the help. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done' },
  refused: { code: 1, meaning: 'refused: the state forbids it; the message says what would free it' },
  usage: { code: 2, meaning: 'the command or the request is wrong; nothing was done' },
  notFound: { code: 3, meaning: 'what was named does not exist, as a fact' },
  noAnswer: { code: 4, meaning: 'no answer, no room, or an unknown outcome: run the same command again' },
  stale: { code: 5, meaning: 'lost against a concurrent change: look again, then decide' },
  partial: { code: 6, meaning: 'done in part: some of it stayed as it was' },
  fault: { code: 70, meaning: 'a fault in Volplane, or damaged data' },
  interrupted: { code: 130, meaning: 'interrupted; what was sent may still happen' },
} as const;

export type ExitName = keyof typeof EXIT_CODES;

const EXIT_OF_KIND: Readonly<Record<ReasonKind, ExitName>> = {
  invalid: 'usage',
  'not-found': 'notFound',
  exists: 'refused',
  precondition: 'refused',
  unimplemented: 'refused',
  aborted: 'stale',
  exhausted: 'noAnswer',
  unavailable: 'noAnswer',
  deadline: 'noAnswer',
  cancelled: 'interrupted',
  'data-loss': 'fault',
  internal: 'fault',
};

export function exitOf(error: AppError): ExitName {
  return EXIT_OF_KIND[error.kind];
}

export function exitHelp(): string {
  const rows = Object.values(EXIT_CODES).map(({ code, meaning }) => `  ${String(code).padEnd(4)} ${meaning}`);
  return ['Exit codes:', ...rows].join('\n');
}
