/** Calls a second of each round, by row and plugin. */
export type Rates = Map<string, Map<string, readonly number[]>>;

/** Prints the medians as a table of Markdown; the ratio is that of the first plugin to each of the others. */
export function printTable(rates: Rates, plugins: readonly string[]): void {
  const [first = '', ...others] = plugins;
  const head = ['calls a second', ...plugins, ...others.map((other) => `${first} / ${other}`)];
  const rows = [...rates].map(([row, columns]) => {
    const medians = plugins.map((plugin) => median(columns.get(plugin) ?? []));
    const ratios = medians.slice(1).map((other) => (medians[0] === undefined || other === undefined ? undefined : medians[0] / other));
    return [row, ...medians.map((value) => value?.toFixed(0) ?? '–'), ...ratios.map((value) => value?.toFixed(2) ?? '–')];
  });
  for (const line of [head, head.map(() => '---'), ...rows]) process.stdout.write(`| ${line.join(' | ')} |\n`);
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}
