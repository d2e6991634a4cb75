// Positions and sizes in the picture of the swarm, in CSS pixels. Pure.
import type { RouteHop } from "../../node/face.ts";
import type { Span } from "../../shared/ids.ts";

export interface MapGeometry {
  readonly width: number;
  readonly height: number;
  readonly layers: number;
  /** Whether names stand above their bars, because there is no room beside them. */
  readonly narrow: boolean;
  readonly left: number;
  /** Width of one layer and the space between two. */
  readonly cell: number;
  readonly gutter: number;
  readonly radius: number;
  readonly bar: number;
  readonly coverageY: number;
  layerX(layer: number): number;
  spanWidth(span: Span): number;
  rowY(row: number): number;
  barY(row: number): number;
}

const NARROW = 560;
const NAME_WIDTH = 168;
const META_WIDTH = 112;
const COVERAGE_Y = 20;
const ROWS_Y = 62;
const BAR = 26;

export function mapGeometry(width: number, layers: number, rows: number): MapGeometry {
  const narrow = width < NARROW;
  const left = narrow ? 5 : NAME_WIDTH;
  const room = width - left - (narrow ? 5 : META_WIDTH);
  const gutter = room / Math.max(1, layers) >= 14 ? 4 : 1;
  const cell = Math.max(1, (room - gutter * (layers - 1)) / Math.max(1, layers));
  const step = narrow ? 62 : 42;
  const layerX = (layer: number): number => left + layer * (cell + gutter);
  const rowY = (row: number): number => ROWS_Y + row * step;
  return {
    width,
    height: ROWS_Y + rows * step + 2,
    layers,
    narrow,
    left,
    cell,
    gutter,
    radius: cell >= 14 ? 6 : Math.min(2, cell / 3),
    bar: BAR,
    coverageY: COVERAGE_Y,
    layerX,
    spanWidth: (span) => layerX(span.end) - layerX(span.start) - gutter,
    rowY,
    barY: (row) => rowY(row) + (narrow ? 22 : 3),
  };
}

/** Returns the way of the light along the hops, as an SVG path; empty if a hop's row is not drawn. */
export function routePath(map: MapGeometry, hops: readonly RouteHop[], rowOf: (peer: string) => number): string {
  let path = "";
  let last = 0;
  for (const hop of hops) {
    const row = rowOf(hop.peer);
    if (row < 0) return "";
    const y = map.barY(row) + map.bar / 2;
    const from = map.layerX(hop.span.start);
    const to = map.layerX(hop.span.end) - map.gutter;
    // Between two rows the light follows a soft bend in the gutter.
    path += path === "" ? `M${from} ${y}` : `C${from} ${last} ${from - map.gutter} ${y} ${from} ${y}`;
    path += `L${to} ${y}`;
    last = y;
  }
  return path;
}
