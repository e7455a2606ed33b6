import type { Command } from 'commander';
import { AppError } from '@volplane/base';
import type { NodeLostPlan, NodeView } from '@volplane/domain';
import type { Act } from '../arguments.js';
import type { Session } from '../session.js';
import { facts, printable, table } from '../text/table.js';
import { pairLines } from '../text/volume.js';
import { forEach } from './for-each.js';
import { everyPage } from './pages.js';

export function registerNodes(program: Command, act: Act): void {
  program
    .command('nodes')
    .description('list the nodes, or show everything about some')
    .argument('[name...]')
    .action(
      act(async (session, names: readonly string[]) => {
        const nodes =
          names.length === 0
            ? await everyNode(session)
            : await forEach(session, names, (name) => session.client.getNode({ name }, session.context));
        session.show(nodes, () => (names.length === 0 ? nodeTable(nodes) : nodes.map(nodeFacts).join('\n\n')));
      }),
    );

  for (const [name, cordoned, description] of [
    ['cordon', true, 'let nodes take no new global volumes and mounts of them; what they have stays'],
    ['uncordon', false, 'end the cordon of nodes'],
  ] as const) {
    program
      .command(name)
      .description(description)
      .argument('<node...>')
      .action(
        act(async (session, nodes: readonly string[]) => {
          const changed = await forEach(session, nodes, (node) => session.client.cordonNode({ name: node, cordoned }, session.context));
          session.show(changed, () => (changed.length === 0 ? '' : nodeTable(changed)));
        }),
      );
  }

  program
    .command('drain')
    .description('cordon a node and move the ownership of what is not attached there')
    .argument('<node>')
    .action(
      act(async (session, name: string) => {
        const drain = await session.client.drainNode({ name }, session.context);
        if (drain.remaining.length > 0) session.endWith('partial');
        session.show(drain, () =>
          facts([
            ['node', `${drain.node.name} (${drain.node.cordoned ? 'cordoned' : drain.node.state})`],
            ['moved', drain.moved],
            ['stayed', drain.remaining.map(({ name: volume, scope, reason }) => `${volume} (${scope}): ${reason}`)],
          ]),
        );
      }),
    );

  program
    .command('node-lost')
    .description('show what declaring a node lost would concern; with --confirm and --note declare it')
    .argument('<node>')
    .option('--confirm <revision>', 'the revision of the plan that you have seen')
    .option('--note <text>', 'who says so and why, kept as evidence')
    .action(act(nodeLost));
}

async function nodeLost(session: Session, name: string, options: { readonly confirm?: string; readonly note?: string }): Promise<void> {
  const { confirm, note } = options;
  if ((confirm === undefined) !== (note === undefined)) {
    throw new AppError('INVALID_ARGUMENT', 'to declare a node lost give --confirm and --note together', {
      field: confirm === undefined ? 'confirm' : 'note',
    });
  }
  if (confirm === undefined || note === undefined) {
    const plan = await session.client.planNodeLost({ name }, session.context);
    session.show(plan, () => planText(plan));
    if (session.isJson || plan.done) return;
    await noteManyGone(session);
    if (plan.state === 'connected')
      session.note(`nothing was changed; node ${name} is in touch, so it cannot be declared lost now: stop it first`);
    else {
      session.note(
        `nothing was changed; if node ${name} will never write again, run: volctl node-lost ${name} --confirm ${printable(plan.planRevision)} --note "WHO AND WHY"`,
      );
    }
    return;
  }
  const plan = await session.client.declareNodeLost({ name, planRevision: confirm, note }, session.context);
  if (!plan.done) session.endWith('partial');
  session.show(plan, () => planText(plan));
}

/** Nodes that all go at once are rarely off: with NATS away every one of them looks so. */
async function noteManyGone(session: Session): Promise<void> {
  const nodes = await everyNode(session);
  const gone = nodes.filter(({ state }) => state === 'gone').length;
  if (gone > 1 && gone * 2 > nodes.length) {
    session.note(
      `${String(gone)} of ${String(nodes.length)} nodes are gone: look at NATS and the network before you declare any of them lost`,
    );
  }
}

async function everyNode(session: Session): Promise<readonly NodeView[]> {
  const pages = await everyPage((page) => session.client.listNodes(page, session.context));
  return pages.flatMap((page) => page.nodes);
}

function nodeTable(nodes: readonly NodeView[]): string {
  return table(
    ['NAME', 'STATE', 'DRIVERS', 'ATTACHED', 'OWNED', 'VERSION', 'LABELS'],
    nodes.map((node) => [
      node.name,
      node.cordoned ? `${node.state}, cordoned` : node.state,
      node.drivers.map((driver) => driver.name).join(','),
      String(node.attachedVolumes),
      String(node.ownedVolumes),
      node.version,
      pairLines(node.labels).join(','),
    ]),
  );
}

function nodeFacts(node: NodeView): string {
  return facts([
    ['name', node.name],
    ['uid', node.uid],
    ['state', node.cordoned ? `${node.state}, cordoned` : node.state],
    ['session since', node.sessionSince ?? (node.goneSince === undefined ? '-' : `- (gone since ${node.goneSince})`)],
    ['registered', node.registeredAt],
    ['version', node.version],
    ['attached volumes', String(node.attachedVolumes)],
    ['owned volumes', String(node.ownedVolumes)],
    ['labels', pairLines(node.labels)],
    ['drivers', node.drivers.map(({ name, capabilities }) => `${name} (${capabilities.scope})`)],
  ]);
}

function planText(plan: NodeLostPlan): string {
  const head = facts([
    ['node', `${plan.node} (${plan.state})`],
    ['uid', `${plan.nodeUid}, which can never come back under this name`],
    ['revision', plan.planRevision],
    ['done', plan.done ? 'yes' : 'no'],
  ]);
  if (plan.volumes.length === 0) return `${head}\n\nno volume is concerned`;
  const rows = plan.volumes.map(({ name, attached, owned, risk }) => [name, attached ? 'yes' : 'no', owned ? 'yes' : 'no', risk]);
  return `${head}\n\n${table(['VOLUME', 'ATTACHED', 'OWNED', 'RISK'], rows)}`;
}
