// Draws which part of wrong results colluders get settled, as an SVG for light and dark backgrounds. Pure.

export interface ColluderPoint {
  /** Part of the volunteers that collude. */
  readonly part: number;
  /** Part of the tasks whose final result is wrong. */
  readonly settledWrong: number;
}

/** The picture's size and margins in pixels. */
const BOX = Object.freeze({ width: 640, height: 380, left: 64, right: 28, top: 64, bottom: 64 });

/** Possible distances of grid lines: the smallest with at most six lines is used. */
const STEPS = [0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #3a3f4b; }
  .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: #d8dce4; stroke-width: 1; }
  .none { stroke: #8a90a0; stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
  .curve { stroke: #c2410c; stroke-width: 2.5; fill: none; }
  .dot { fill: #c2410c; }
  @media (prefers-color-scheme: dark) {
    text { fill: #d5d9e2; }
    .grid { stroke: #3b4150; }
    .none { stroke: #8f96a8; }
    .curve { stroke: #fb923c; }
    .dot { fill: #fb923c; }
  }`;

const percent = (part: number): string => `${Number((100 * part).toFixed(1))} %`;

/** `cheats` is the part of the tasks on which colluders lie; `about` says in one line how it was measured. */
export function colluderPicture(points: readonly ColluderPoint[], cheats: number, about: string): string {
  const mostX = Math.max(...points.map(({ part }) => part));
  const highest = Math.max(mostX * cheats, ...points.map(({ settledWrong }) => settledWrong));
  const step = STEPS.find((each) => highest / each <= 6) ?? 1;
  const mostY = Math.ceil(highest / step) * step;
  const x = (part: number): number => BOX.left + ((BOX.width - BOX.left - BOX.right) * part) / mostX;
  const y = (wrong: number): number => BOX.height - BOX.bottom - ((BOX.height - BOX.top - BOX.bottom) * wrong) / mostY;
  const at = (part: number, wrong: number): string => `${x(part).toFixed(1)},${y(wrong).toFixed(1)}`;
  const rows = Array.from({ length: Math.round(mostY / step) + 1 }, (_, row) => row * step);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-label="Results settled wrong, by the part of volunteers that collude">
<style>${STYLE}
</style>
<text class="title" x="${BOX.left}" y="24">Results settled wrong, by the part of volunteers that collude</text>
<text x="${BOX.left}" y="44">${about}</text>
${rows.map((row) => `<line class="grid" x1="${BOX.left}" x2="${BOX.width - BOX.right}" y1="${y(row).toFixed(1)}" y2="${y(row).toFixed(1)}"/><text x="${BOX.left - 8}" y="${(y(row) + 4).toFixed(1)}" text-anchor="end">${percent(row)}</text>`).join("\n")}
<polyline class="none" points="${at(0, 0)} ${at(mostX, mostX * cheats)}"/>
<text x="${x(mostX * 0.55).toFixed(1)}" y="${(y(mostX * cheats * 0.72) - 12).toFixed(1)}" text-anchor="end">if nothing were checked</text>
<polyline class="curve" points="${points.map(({ part, settledWrong }) => at(part, settledWrong)).join(" ")}"/>
${points
  .map(
    ({ part, settledWrong }) =>
      `<circle class="dot" cx="${x(part).toFixed(1)}" cy="${y(settledWrong).toFixed(1)}" r="4"/><text x="${(x(part) + (part === mostX ? -10 : 8)).toFixed(1)}" y="${(y(settledWrong) + (part === mostX ? -6 : 18)).toFixed(1)}"${part === mostX ? ' text-anchor="end"' : ""}>${percent(settledWrong)}</text><text x="${x(part).toFixed(1)}" y="${BOX.height - BOX.bottom + 36}" text-anchor="middle">${percent(part)}</text>`,
  )
  .join("\n")}
</svg>
`;
}
