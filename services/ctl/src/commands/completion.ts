import { Argument, type Command, type Option } from 'commander';
import type { Act } from '../arguments.js';
import type { Session } from '../session.js';
import { everyPage } from './pages.js';

export function registerCompletion(program: Command, act: Act): void {
  program
    .command('completion')
    .description('print the completion script of a shell; bash: source <(volctl completion bash)')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action(
      act((session, shell: Shell) => {
        session.io.out(SCRIPTS[shell]);
        return Promise.resolve();
      }),
    );

  program
    .command(COMPLETE, { hidden: true })
    .description('print what could come next, one a line')
    .argument('[words...]', 'what was typed after volctl; the last one is being typed')
    .allowUnknownOption()
    .action(
      act(async (session, words: readonly string[]) => {
        const candidates = await complete(program, session, words);
        for (const candidate of candidates) session.io.out(`${candidate}\n`);
      }),
    );
}

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const COMPLETE = '__complete';

/** The shell filters by what is being typed; a server that does not answer costs nothing but its names. */
async function complete(program: Command, session: Session, words: readonly string[]): Promise<readonly string[]> {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const { command, rest } = commandOf(program, before);
  const all = [...program.options, ...command.options];
  const wanted = optionOf(all, before.at(-1) ?? '');
  if (wanted?.required === true) return wanted.argChoices ?? (await names(session, NAMES_OF_OPTION[wanted.long ?? '']));
  if (typed.startsWith('-')) return all.flatMap((option) => (option.hidden || option.long === undefined ? [] : [option.long]));
  const subcommands = command.commands.filter((one) => !one.name().startsWith('_')).map((one) => one.name());
  if (subcommands.length > 0 && rest.length === 0) return subcommands;
  const place = command.registeredArguments[Math.min(positionals(all, rest), command.registeredArguments.length - 1)];
  return (
    place?.argChoices ??
    (await names(session, NAMES_OF_ARGUMENT[`${command.name()} ${place?.name() ?? ''}`] ?? NAMES_OF_ARGUMENT[place?.name() ?? '']))
  );
}

type Kind = 'volumes' | 'nodes' | 'drivers';

const NAMES_OF_OPTION: Readonly<Record<string, Kind>> = {
  '--node': 'nodes',
  '--for-node': 'nodes',
  '--driver': 'drivers',
  '--name': 'volumes',
};
const NAMES_OF_ARGUMENT: Readonly<Record<string, Kind>> = {
  name: 'volumes',
  volume: 'volumes',
  node: 'nodes',
  driver: 'drivers',
  'nodes name': 'nodes',
};

async function names(session: Session, kind: Kind | undefined): Promise<readonly string[]> {
  if (kind === undefined) return [];
  const { client } = session;
  const context = { ...session.context, timeoutMs: COMPLETION_TIMEOUT_MS };
  try {
    if (kind === 'nodes') {
      const pages = await everyPage((page) => client.listNodes({ pageSize: NAMES_MAX, ...page }, context));
      return pages.flatMap((page) => page.nodes.map((node) => node.name));
    }
    if (kind === 'drivers') return (await client.listDrivers({}, context)).map((driver) => driver.info.name);
    return (await client.listVolumes({ pageSize: NAMES_MAX, stale: true }, context)).volumes.map((volume) => volume.name);
  } catch {
    // Whoever is typing has no use for a fault; the command itself will tell it.
    return [];
  }
}

/** Nobody waits longer for a suggestion. */
const COMPLETION_TIMEOUT_MS = 1_500;
const NAMES_MAX = 500;

/** The command that the words lead to, and what came after it. */
function commandOf(program: Command, words: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  let command = program;
  let rest: readonly string[] = words;
  for (let at = 0; at < rest.length;) {
    const word = rest[at] ?? '';
    const found = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (found !== undefined) {
      command = found;
      rest = rest.slice(at + 1);
      at = 0;
    } else if (command === program && word.startsWith('-')) {
      at += optionOf(program.options, word)?.required === true && !word.includes('=') ? 2 : 1;
    } else break;
  }
  return { command, rest: command === program ? [] : rest };
}

/** How many arguments are there already, options and their values aside. */
function positionals(options: readonly Option[], words: readonly string[]): number {
  let found = 0;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!word.startsWith('-')) found += 1;
    else if (optionOf(options, word)?.required === true && !word.includes('=')) at += 1;
  }
  return found;
}

function optionOf(options: readonly Option[], word: string): Option | undefined {
  return options.find((option) => option.long === word || option.short === word);
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# volctl completion for bash: source <(volctl completion bash)
_volctl() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(volctl ${COMPLETE} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _volctl volctl
`,
  zsh: `#compdef volctl
# volctl completion for zsh: source <(volctl completion zsh)
_volctl() {
  local -a candidates
  candidates=("\${(@f)$(volctl ${COMPLETE} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a candidates
}
if [ "$funcstack[1]" = "_volctl" ]; then _volctl; else compdef _volctl volctl; fi
`,
  fish: `# volctl completion for fish: volctl completion fish | source
complete -c volctl -f -a '(volctl ${COMPLETE} -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};
