import type { Command } from 'commander';
import { AppError, errorText } from '@volplane/base';
import { ACCESS_MODES, TAKEOVER_POLICIES, type CreateVolumeRequest } from '@volplane/domain';
import { z } from 'zod';
import type { Act } from '../arguments.js';
import { exitOf } from '../exit-codes.js';
import type { Session } from '../session.js';
import { shownFailure } from '../text/failure.js';
import { printable } from '../text/table.js';

export function registerCreateMany(program: Command, act: Act): void {
  program
    .command('create-many')
    .description('create the volumes of a file, many at once: a JSON object a line, as in {"name": "data", "driver": "shared"}')
    .argument('<file>', 'the file; - for standard input')
    .action(act(createMany));
}

/** Exported for its test. */
export async function createMany(session: Session, file: string): Promise<void> {
  // Who feeds a slow input shall know at once that nobody answers.
  await session.client.checkHealth(session.context);
  const tally: Tally = { sent: 0, created: 0, refused: 0 };
  try {
    // One stream after the other, each with the whole time of a call: neither a long list nor a slow input runs out of it.
    for await (const requests of portionsOf(session, file)) await createPortion(session, requests, tally);
  } catch (error) {
    // A line that is wrong ends the work; "nothing was done" would be untrue.
    if (!(error instanceof AppError) || error.kind !== 'invalid' || tally.created === 0) throw error;
    session.io.err(shownFailure(error, session.isJson));
    session.endWith('partial');
    return;
  }
  if (tally.refused > 0 && tally.created > 0) session.endWith('partial');
}

interface Tally {
  /** In earlier portions: what is told counts the volumes of the file. */
  sent: number;
  created: number;
  refused: number;
}

async function createPortion(session: Session, requests: readonly CreateVolumeRequest[], tally: Tally): Promise<void> {
  for await (const told of session.client.createVolumes(requests, session.context)) {
    const name = requests[told.index]?.name ?? '';
    const result = { ...told, index: tally.sent + told.index };
    if ('volume' in result) {
      tally.created += 1;
      session.showLine(result, () => `created ${name}`);
    } else {
      tally.refused += 1;
      session.showLine(result, () => printable(`refused ${name}: ${result.failure.message} (${result.failure.reason})`));
      if (session.exit === 'ok') session.endWith(exitOf(AppError.fromFailure(result.failure)));
    }
  }
  tally.sent += requests.length;
}

/** The requests of the file in portions, each whole before it is handed on. */
async function* portionsOf(session: Session, file: string): AsyncGenerator<readonly CreateVolumeRequest[]> {
  let portion: CreateVolumeRequest[] = [];
  let number = 0;
  for await (const line of linesOf(session, file)) {
    number += 1;
    if (line.trim() === '') continue;
    portion.push(parseLine(line, number));
    if (portion.length < PORTION) continue;
    yield portion;
    portion = [];
  }
  if (portion.length > 0) yield portion;
}

/** Enough to keep a manager busy, and made in a second or a few. */
const PORTION = 500;

async function* linesOf(session: Session, file: string): AsyncGenerator<string> {
  try {
    yield* session.io.lines(file);
  } catch (error) {
    throw new AppError('INVALID_ARGUMENT', `cannot read ${file}: ${errorText(error)}`, { field: 'file' }, error);
  }
}

function parseLine(line: string, number: number): CreateVolumeRequest {
  const field = `line ${String(number)}`;
  try {
    // Zod writes optional keys as "or undefined"; JSON has no undefined, so what is absent has no key.
    return REQUEST.parse(JSON.parse(line)) as CreateVolumeRequest;
  } catch (error) {
    const fault = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : 'it is no JSON';
    throw new AppError('INVALID_ARGUMENT', `${field} is no volume: ${fault}`, { field }, error);
  }
}

const PAIRS = z.record(z.string(), z.string());
const REQUEST = z.strictObject({
  name: z.string(),
  driver: z.string().optional(),
  options: PAIRS.optional(),
  labels: PAIRS.optional(),
  accessMode: z.enum(ACCESS_MODES).optional(),
  takeover: z.enum(TAKEOVER_POLICIES).optional(),
  sizeBytes: z.int().nonnegative().optional(),
  node: z.string().optional(),
  topology: PAIRS.optional(),
  source: z.strictObject({ volume: z.string(), snapshot: z.string().optional() }).optional(),
});
