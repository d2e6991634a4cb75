// Which layers a set of spans covers: placement, routes and the picture of the swarm are built on this arithmetic.
import type { Span } from "../shared/ids.ts";

/** Maximal runs of layers in `[0, layerCount)` that no span covers, in order. */
export function findGaps(spans: readonly Span[], layerCount: number): readonly Span[] {
  const gaps: Span[] = [];
  let reached = 0;
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    if (span.start > reached) gaps.push({ start: reached, end: Math.min(span.start, layerCount) });
    reached = Math.max(reached, span.end);
    if (reached >= layerCount) return gaps;
  }
  if (reached < layerCount) gaps.push({ start: reached, end: layerCount });
  return gaps;
}

/** Whether `span` lies inside `[0, layerCount)` and is not empty: the spans that peers announce are not trusted. */
export function isValidSpan(span: Span, layerCount: number): boolean {
  return span.start >= 0 && span.start < span.end && span.end <= layerCount;
}

/** Whether every layer of `span` is covered by `others`. */
export function isCovered(span: Span, others: readonly Span[]): boolean {
  return (
    findGaps(
      others.flatMap((other) => {
        const start = Math.max(other.start, span.start);
        const end = Math.min(other.end, span.end);
        return start < end ? [{ start: start - span.start, end: end - span.start }] : [];
      }),
      span.end - span.start,
    ).length === 0
  );
}

/** Whether spans that meet end to end lead from layer 0 to the last layer: only such spans make a route. */
export function isRouted(spans: readonly Span[], layerCount: number): boolean {
  const reached = new Set([0]);
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start)) if (reached.has(start)) reached.add(end);
  return reached.has(layerCount);
}
