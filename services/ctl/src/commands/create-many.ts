import type { Command } from 'commander';
import { AppError, errorText } from '@volplane/base';
import { ACCESS_MODES, TAKEOVER_POLICIES, type CreateVolumeRequest } from '@volplane/domain';
import { z } from 'zod';
import type { Act } from '../arguments.js';
import { exitOf } from '../exit-codes.js';
import type { Session } from '../session.js';
import { printable } from '../text/table.js';

export function registerCreateMany(program: Command, act: Act): void {
  program
    .command('create-many')
    .description('create the volumes of a file over one stream: a JSON object a line, as in {"name": "data", "driver": "shared"}')
    .argument('<file>', 'the file; - for standard input')
    .action(act(createMany));
}

async function createMany(session: Session, file: string): Promise<void> {
  const names: string[] = [];
  let refused = 0;
  for await (const result of session.client.createVolumes(requestsOf(session, file, names), session.context)) {
    const name = names[result.index] ?? '';
    if ('volume' in result) {
      session.showLine(result, () => `created ${name}`);
    } else {
      refused += 1;
      session.showLine(result, () => printable(`refused ${name}: ${result.failure.message} (${result.failure.reason})`));
      if (session.exit === 'ok') session.endWith(exitOf(AppError.fromFailure(result.failure)));
    }
  }
  if (refused > 0 && refused < names.length) session.endWith('partial');
}

async function* requestsOf(session: Session, file: string, names: string[]): AsyncGenerator<CreateVolumeRequest> {
  let number = 0;
  for await (const line of linesOf(session, file)) {
    number += 1;
    if (line.trim() === '') continue;
    const request = parseLine(line, number);
    names.push(request.name);
    yield request;
  }
}

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
