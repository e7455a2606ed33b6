/**
 * A family of histograms, which counts into arrays of its own and is written as prom-client would write it.
 *
 * prom-client checks and looks up its labels anew for each value, at ten times the cost; here a value costs a search among the bounds.
 */
export class HistogramTable<Label extends string = never> {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #histograms: Histogram[] = [];

  /** @param bounds - of the buckets, ascending, inclusive; a last one without bound is added */
  constructor(options: { readonly name: string; readonly help: string; readonly bounds: readonly number[] }) {
    this.#name = options.name;
    this.#help = options.help;
    this.#bounds = options.bounds;
  }

  /** Adds a histogram to the family, shown from now on. The caller keeps it, and asks once for each set of labels. */
  add(labels: Readonly<Record<Label, string>>): Histogram {
    const histogram = new Histogram(labels, this.#bounds);
    this.#histograms.push(histogram);
    return histogram;
  }

  /** The family in the text format of Prometheus, without a line end at its end. */
  text(): string {
    const name = this.#name;
    const head = [`# HELP ${name} ${escaped(this.#help)}`, `# TYPE ${name} histogram`];
    return [...head, ...this.#histograms.flatMap((each) => each.lines(name))].join('\n');
  }
}

/** The values of one set of labels. */
export class Histogram {
  readonly #labels: string;
  readonly #bounds: readonly number[];
  /** Values by bucket, not summed up; the last is for those above every bound. */
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.#labels = Object.entries(labels)
      .map(([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`)
      .join(',');
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** Never throws; what is no finite number is not counted. */
  observe(value: number): void {
    if (!Number.isFinite(value)) return;
    const bucket = firstAtLeast(this.#bounds, value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
    this.#count += 1;
  }

  lines(name: string): readonly string[] {
    const also = this.#labels === '' ? '' : `,${this.#labels}`;
    const own = this.#labels === '' ? '' : `{${this.#labels}}`;
    let atMost = 0;
    const buckets = this.#bounds.map((bound, index) => {
      atMost += this.#counts[index] ?? 0;
      return `${name}_bucket{le="${String(bound)}"${also}} ${String(atMost)}`;
    });
    return [
      ...buckets,
      `${name}_bucket{le="+Inf"${also}} ${String(this.#count)}`,
      `${name}_sum${own} ${String(this.#sum)}`,
      `${name}_count${own} ${String(this.#count)}`,
    ];
  }
}

/** The index of the first of the ascending `bounds` that is not below `value`; their number when all are. */
function firstAtLeast(bounds: readonly number[], value: number): number {
  let from = 0;
  let to = bounds.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (value <= (bounds[middle] ?? Infinity)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** As the text format wants it everywhere; the value of a label needs its quotes escaped as well. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
