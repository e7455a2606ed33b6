/** Rows in columns, each as wide as its widest cell, two blanks between them; the last one is not filled up. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
  return all
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `name: value` lines, the values in one column. A value of several lines is indented below its name. */
export function facts(entries: readonly (readonly [name: string, value: string | readonly string[]])[]): string {
  const longest = Math.max(0, ...entries.map(([name]) => width(printable(name))));
  return entries
    .map(([name, value]) => {
      const label = `${printable(name)}:`;
      if (typeof value === 'string') return `${pad(label, longest + 1)}  ${printable(value)}`.trimEnd();
      return value.length === 0 ? `${pad(label, longest + 1)}  -` : [label, ...value.map((line) => `  ${printable(line)}`)].join('\n');
    })
    .join('\n');
}

/** Text of others on a terminal: what would move the cursor or hide something is shown as an escape. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}

// Control and format characters (the latter turn the direction of text), line separators, and lone surrogates.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)));
}

/** Characters as they are seen, as far as that can be known without the terminal. */
function width(text: string): number {
  return Array.from(text).length;
}
