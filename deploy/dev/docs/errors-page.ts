import { REASONS, type Reason, type ReasonKind } from '@volplane/base';
import { markdownTable } from './markdown.js';

/** docs/errors.md: every reason for a refusal, from the table in packages/base/src/reasons.ts. */
export function errorsPage(): string {
  const sections = Object.entries(KINDS).map(([kind, { title, text }]) => {
    const reasons = Object.entries(REASONS).filter(([, entry]) => entry.kind === kind);
    return `## ${title}\n\n${text}\n\n${reasonTable(reasons)}`;
  });
  return [INTRODUCTION, ...sections].join('\n\n');
}

const INTRODUCTION = `# Errors

Every refusal and failure carries a reason from this page, a sentence that names the volume and the node, and fields for programs.
Over gRPC the reason and the fields are a \`google.rpc.ErrorInfo\` detail of the status. Decide by the reason, show the sentence.
Every call is idempotent: to repeat it is to send the same call again.`;

/** In the order in which a caller needs them. */
const KINDS: Readonly<Record<ReasonKind, { readonly title: string; readonly text: string }>> = {
  invalid: { title: 'The request is wrong', text: 'Repeating it does not help; it has to change.' },
  'not-found': { title: 'It does not exist', text: 'A positive answer: what was named is not there.' },
  exists: { title: 'Something else has the name', text: 'Repeating it does not help.' },
  precondition: { title: 'The state forbids it', text: 'It can succeed once somebody has changed the state; the reason says who and how.' },
  aborted: { title: 'It lost against a change', text: 'Read the state again, then repeat the call if it is still wanted.' },
  unavailable: { title: 'Something does not answer', text: 'Repeat the call after a while.' },
  exhausted: { title: 'There is no room', text: 'Repeat the call when there is room.' },
  deadline: { title: 'The time ran out', text: 'The outcome is unknown. Repeat the same call to learn it.' },
  cancelled: { title: 'The caller went away', text: 'The outcome is unknown. Repeat the same call if it matters.' },
  unimplemented: { title: 'It cannot be done', text: 'Neither now nor when repeated.' },
  'data-loss': { title: 'Stored data is damaged', text: 'An operator has to look.' },
  internal: { title: 'A fault in Volplane', text: 'Please report it.' },
};

function reasonTable(reasons: readonly (readonly [string, (typeof REASONS)[Reason]])[]): string {
  return markdownTable(
    ['Reason', 'Meaning', 'What to do'],
    reasons.map(([reason, { meaning, whatToDo }]) => [`\`${reason}\``, meaning, whatToDo]),
  );
}
