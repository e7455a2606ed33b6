import { CALL_DEADLINE_MS, KEPT_MOUNTED, OUTAGES, RUN_FLAT, type Cell } from '../../../test/flat/table.js';
import { markdownTable } from './markdown.js';

/** The section of docs/operations.md that says which call does what in which outage, from test/flat/table.ts. */
export function runFlatTable(): string {
  const rows = Object.entries(RUN_FLAT).map(([call, cells]) => [call, ...OUTAGES.map((outage) => cellText(cells[outage]))]);
  const kept = Object.entries(KEPT_MOUNTED).map(([what, cells]) => [`_${what}_`, ...OUTAGES.map((outage) => cells[outage])]);
  const seconds = String(CALL_DEADLINE_MS / 1_000);
  return [
    `Every cell is enforced on real processes (\`test/flat\`). Each call has a deadline of ${seconds} s and none reaches it: what fails, fails before, with`,
    'the reason given; every one of them is to be repeated. "then" is what is told once the session of the node has ended. "works, late" means that the',
    'call may first fail as given and works at the latest when the session of the node that is gone has ended. Volumes that exist are owned by this node: a removal that has',
    'begun waits for it, until it is back or declared lost. "cut off" happens at the deadline of the session of the node, one session TTL after its last answered heartbeat was sent:',
    'open descriptors of the mount fail, then it is gone.',
    '',
    markdownTable(['Call', ...OUTAGES.map((outage) => `${outage} down`)], [...rows, ...kept]),
  ].join('\n');
}

function cellText(cell: Cell): string {
  switch (cell.does) {
    case 'work':
      return 'works';
    case 'work later':
      return `works, late: \`${cell.until}\``;
    case 'warn':
      return 'answers with a warning: no global volumes';
    case 'fail': {
      const atOnce = reasons(cell.atOnce);
      return cell.later.join() === cell.atOnce.join() ? atOnce : `${atOnce}, then ${reasons(cell.later)}`;
    }
  }
}

function reasons(all: readonly string[]): string {
  if (all.length === 0) return 'works';
  return all.map((reason) => `\`${reason}\``).join(' or ');
}
