import type { Command } from 'commander';
import type { CandidateExplanation, VolumeExplanation } from '@volplane/domain';
import { count, nodeOption, onNode, type Act } from '../arguments.js';
import { printable } from '../text/table.js';

export function registerExplain(program: Command, act: Act): void {
  program
    .command('explain')
    .description('say who holds a volume, why, what it waits for and what would free it')
    .argument('<name>')
    .addOption(nodeOption('the local volume of this node'))
    .option('--for-node <node>', 'say what a mount on this node would be answered')
    .option('--at-revision <number>', 'as of this etcd revision', count)
    .action(
      act(async (session, name: string, options: { readonly node?: string; readonly forNode?: string; readonly atRevision?: number }) => {
        const { forNode, atRevision } = options;
        const explanation = await session.client.explainVolume(
          { name, ...onNode(options), ...(forNode === undefined ? {} : { forNode }), ...(atRevision === undefined ? {} : { atRevision }) },
          session.context,
        );
        session.show(explanation, () => explanationText(explanation, forNode));
      }),
    );
}

function explanationText(explanation: VolumeExplanation, forNode: string | undefined): string {
  const { summary, holders, waitsFor, evidence, candidates, history, refusal } = explanation;
  const sections: (readonly [title: string, lines: readonly string[]])[] = [
    [
      'Holders',
      holders.flatMap(({ attachment, nodeState, mountIds, freedBy }) => [
        `${attachment.node} (${nodeState}) ${attachment.mode} since ${attachment.since}, epoch ${String(attachment.epoch)}`,
        `  used by: ${mountIds === undefined ? 'not known, the node did not answer' : mountIds.join(', ') || 'nobody'}`,
        `  freed by: ${freedBy}`,
      ]),
    ],
    ['Waits for', waitsFor === undefined ? [] : [waitsFor]],
    ['Evidence', evidence.map(({ at, kind, node, detail }) => `${at} ${kind} ${node}: ${detail}`)],
    ['Nodes', candidates.map(nodeLine)],
    ['History', history.map(({ revision, summary: change }) => `revision ${String(revision)}: ${change}`)],
    ...(forNode === undefined
      ? []
      : [
          [
            `A mount on ${forNode}`,
            refusal === undefined
              ? ['would not be refused']
              : [`would be refused: ${refusal.message} (${refusal.reason})`, `freed by: ${refusal.freedBy}`],
          ] as const,
        ]),
  ];
  const shown = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [`${title}:`, ...lines.map((line) => `  ${line}`)]);
  return [summary, ...shown].map((lines) => lines.map(printable).join('\n')).join('\n\n');
}

function nodeLine({ node, passed, reason, mountIds }: CandidateExplanation): string {
  const use = mountIds === undefined ? '' : mountIds.length === 0 ? '; does not use it now' : `; uses it now for ${mountIds.join(', ')}`;
  return `${node}: ${passed ? 'may own it' : 'may not own it'}: ${reason}${use}`;
}
