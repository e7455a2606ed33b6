import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { runCli } from './cli.js';
import { environment } from './config.js';

const interrupt = new AbortController();
const onInterrupt = (): void => {
  interrupt.abort();
};
process.once('SIGINT', onInterrupt);
process.once('SIGTERM', onInterrupt);
// The reader of a pipe has seen enough.
process.stdout.on('error', onInterrupt);

// Warnings for the authors of libraries, such as Node's about a TLS address without a name: nobody in front of volctl can act on them.
process.noDeprecation = true;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }; // our own file
let input: NodeJS.ReadStream | undefined;

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: environment(),
  version,
  io: {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    signal: interrupt.signal,
    lines: async function* (path) {
      if (path === '-') input = process.stdin;
      yield* input === undefined ? (await open(path)).readLines() : createInterface({ input });
    },
  },
});
// A command that failed while it waited for input must not wait on.
input?.destroy();
