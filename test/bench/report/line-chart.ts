export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xs: readonly string[];
  readonly series: readonly { readonly name: string; readonly ys: readonly (number | undefined)[] }[];
}

/** A chart with evenly spaced x values as an SVG of its own, readable on a light and on a dark page. */
export function lineChart({ title, xTitle, yTitle, xs, series }: Chart): string {
  const top = niceCeiling(Math.max(1, ...series.flatMap(({ ys }) => ys.map((y) => y ?? 0))));
  const x = (index: number): number => LEFT + (xs.length < 2 ? 0 : (index * PLOT_WIDTH) / (xs.length - 1));
  const y = (value: number): number => TOP + PLOT_HEIGHT * (1 - value / top);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(top * share).toFixed(1);
    return `<line x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${at}" y2="${at}" stroke="#ddd"/>${label(LEFT - 8, Number(at) + 4, short(top * share), 'end')}`;
  });
  const ticks = xs.map((name, index) => label(x(index), TOP + PLOT_HEIGHT + 18, name, 'middle'));
  const lines = series.map(({ ys }, index) => {
    const points = ys.flatMap((value, at) => (value === undefined ? [] : [[x(at), y(value)] as const]));
    const color = COLORS[index % COLORS.length] ?? '#000';
    const dots = points.map(([cx, cy]) => `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="3" fill="${color}"/>`).join('');
    const path = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
    return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>${dots}`;
  });
  const legend = series.map(({ name }, index) => {
    const at = TOP + 10 + index * 20;
    const color = COLORS[index % COLORS.length] ?? '#000';
    return `<rect x="${LEGEND}" y="${at - 9}" width="12" height="12" fill="${color}"/>${label(LEGEND + 18, at + 2, name, 'start')}`;
  });
  const titles = [
    `<text x="${LEFT}" y="24" font-size="16" font-weight="600">${escape(title)}</text>`,
    label(LEFT, TOP - 10, yTitle, 'start'),
    label(LEFT + PLOT_WIDTH / 2, HEIGHT - 10, xTitle, 'middle'),
  ];
  const body = [...titles, ...grid, ...ticks, ...lines, ...legend].join('\n');
  const frame = `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">\n${frame}\n${body}\n</svg>\n`;
}

const WIDTH = 860;
const HEIGHT = 400;
const LEFT = 70;
const TOP = 60;
const PLOT_WIDTH = 540;
const PLOT_HEIGHT = 280;
const LEGEND = 640;

/** Told apart by people who see colours differently (Okabe and Ito). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#999999'];

function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escape(text)}</text>`;
}

function niceCeiling(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].map((step) => step * magnitude).find((step) => step >= value) ?? value;
}

function short(value: number): string {
  return value >= 1_000 ? `${String(Math.round(value / 100) / 10)}k` : String(Math.round(value * 100) / 100);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
