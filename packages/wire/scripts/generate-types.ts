import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GENERATOR_FLAGS, PROTO_FILES } from '../src/loader-options.js';

/** Writes the types of every message into `folder`, which is emptied first. Run by `pnpm --filter @volplane/wire generate`. */
export function generateTypes(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const generator = join(dirname(createRequire(import.meta.url).resolve('@grpc/proto-loader')), '../bin/proto-loader-gen-types.js');
  // The generator writes the path of each proto file into its output, so the working folder is always the same.
  const flags = [...GENERATOR_FLAGS, `--includeDirs=${PROTO_FOLDER}`, `--outDir=${relative(PACKAGE_FOLDER, folder)}`];
  execFileSync(process.execPath, [generator, ...flags, ...PROTO_FILES], { cwd: PACKAGE_FOLDER, stdio: ['ignore', 'ignore', 'inherit'] });
}

const PACKAGE_FOLDER = fileURLToPath(new URL('..', import.meta.url));
const PROTO_FOLDER = '../../proto';

export const GENERATED_FOLDER = join(PACKAGE_FOLDER, 'src/generated');

if (process.argv[1] === fileURLToPath(import.meta.url)) generateTypes(GENERATED_FOLDER);
