import { Command, CommanderError, Option } from 'commander';
import { AppError, readSettings } from '@volplane/base';
import type { Act, Work } from './arguments.js';
import { registerCompletion } from './commands/completion.js';
import { registerCreateMany } from './commands/create-many.js';
import { registerDrivers } from './commands/drivers.js';
import { registerExplain } from './commands/explain.js';
import { registerHealth } from './commands/health.js';
import { registerImport } from './commands/import.js';
import { registerMounts } from './commands/mounts.js';
import { registerNodes } from './commands/nodes.js';
import { registerOwnership } from './commands/ownership.js';
import { registerSnapshots } from './commands/snapshots.js';
import { registerVolumeChanges } from './commands/volume-changes.js';
import { registerVolumes } from './commands/volumes.js';
import { registerWatch } from './commands/watch.js';
import { CTL_SETTINGS, ENVIRONMENT_PREFIX } from './config.js';
import { EXIT_CODES, exitHelp, exitOf, type ExitName } from './exit-codes.js';
import { Session, type Io } from './session.js';
import { shownFailure } from './text/failure.js';

export interface CliOptions {
  /** Without the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly io: Io;
}

/** Runs one command. @returns the exit code, see {@link EXIT_CODES} */
export async function runCli(options: CliOptions): Promise<number> {
  const run = new Run(options);
  const program = buildProgram(options, run.act);
  try {
    await program.parseAsync([...options.argv], { from: 'user' });
    return EXIT_CODES[run.exit].code;
  } catch (error) {
    if (!(error instanceof CommanderError)) return EXIT_CODES[run.tell(error)].code;
    // Help and version end so too; and without a command Commander has shown the help.
    if (error.exitCode === 0) return EXIT_CODES.ok.code;
    if (wantsJson(options)) run.tell(usageFault(error));
    return EXIT_CODES.usage.code;
  }
}

/** A refusal of Commander's as one of ours. */
function usageFault({ code, message }: CommanderError): AppError {
  const text = code === 'commander.help' ? 'no command was given; volctl --help shows every command' : message.replace(/^error: /, '');
  return new AppError('INVALID_ARGUMENT', text, { field: 'arguments' });
}

/** Whether failures go to a program. Read before anything else, because a command that is not understood is refused so as well. */
function wantsJson({ argv, env }: CliOptions): boolean {
  const given = argv.findLastIndex((word) => word === OUTPUT || word.startsWith(`${OUTPUT}=`));
  const word = argv[given] ?? '';
  const value = given < 0 ? env[variableOf('output')] : word === OUTPUT ? argv[given + 1] : word.slice(OUTPUT.length + 1);
  return value === 'json';
}

const OUTPUT = '--output';

class Run {
  exit: ExitName = 'ok';
  readonly #options: CliOptions;

  constructor(options: CliOptions) {
    this.#options = options;
  }

  readonly act: Act = (work: Work) => {
    return async (...given: readonly unknown[]) => {
      // Commander gives the command itself as the last one.
      const session = this.#open(given.at(-1) as Command);
      try {
        // The others are what the command's own parsers made.
        await work(session, ...(given.slice(0, -1) as never[]));
        this.exit = session.exit;
      } finally {
        await session.close();
      }
    };
  };

  /** Tells what a command failed with. @returns how it ends */
  tell(error: unknown): ExitName {
    this.#options.io.err(shownFailure(error, wantsJson(this.#options)));
    if (this.#options.io.signal.aborted) return 'interrupted';
    return error instanceof AppError ? exitOf(error) : 'fault';
  }

  #open(command: Command): Session {
    const given = command.optsWithGlobals<Readonly<Record<string, unknown>>>();
    const argv = Object.keys(CTL_SETTINGS).flatMap((key) => {
      const value = given[key];
      return typeof value === 'string' ? [`--${flagOf(key)}=${value}`] : [];
    });
    const read = readSettings(CTL_SETTINGS, { argv, env: this.#options.env, prefix: ENVIRONMENT_PREFIX, usage: '' });
    if (read.type !== 'settings') {
      throw new AppError('INVALID_ARGUMENT', read.type === 'faults' ? read.faults.join('; ') : 'no settings', { field: 'settings' });
    }
    return new Session(read.settings, this.#options.io);
  }
}

function buildProgram(options: CliOptions, act: Act): Command {
  const { io, version } = options;
  // For programs the refusal is told as one value, at the end.
  const json = wantsJson(options);
  const program = new Command('volctl')
    .description('Asks the managers and agents of Volplane about volumes, and tells them what to do.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: json ? () => undefined : io.err })
    .showHelpAfterError('(volctl --help shows every command, volctl COMMAND --help its options)')
    .addHelpText('after', `\n${exitHelp()}\n\nEvery command can be run again after exit code 4: all of them are idempotent.`);
  for (const [key, { help, fallback }] of Object.entries(CTL_SETTINGS)) {
    const shown = fallback === '' ? '' : `; default: ${fallback}`;
    program.addOption(new Option(`--${flagOf(key)} <value>`, `${help} (${variableOf(key)}${shown})`));
  }
  for (const register of [
    registerVolumes,
    registerVolumeChanges,
    registerMounts,
    registerOwnership,
    registerSnapshots,
    registerExplain,
    registerWatch,
    registerNodes,
    registerDrivers,
    registerCreateMany,
    registerImport,
    registerHealth,
    registerCompletion,
  ]) {
    register(program, act);
  }
  inheritSettings(program);
  return program;
}

/** Commands refuse and print as the program does. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    command.addHelpText('after', `\n${SETTINGS_HINT}`);
    inheritSettings(command);
  }
}

const SETTINGS_HINT =
  'Every command also takes --address, --output json and the other settings that volctl --help shows, beside the exit codes.';

const flagOf = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const variableOf = (key: string): string => `${ENVIRONMENT_PREFIX}_${flagOf(key).replaceAll('-', '_').toUpperCase()}`;
