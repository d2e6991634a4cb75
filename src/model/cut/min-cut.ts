// The smallest cut between two sides of a directed network. Pure, and independent of models.

export interface Edge {
  readonly from: number;
  readonly to: number;
  /** The cost of cutting the edge; UNCUTTABLE if it must not be cut. */
  readonly cost: number;
}

/** More than any sum of costs that a caller may give, and far below 2^53, the end of exact integers. */
export const UNCUTTABLE = 2 ** 50;

/**
 * Finds which vertices lie on the sink's side of a minimum cut, and its cost. Of several minimum cuts it is the one
 * nearest to the sink. If the cost is UNCUTTABLE or more, the sides cannot be separated. Edmonds and Karp, 1972. The
 * number of augmenting paths is the number of tensors across the boundary here: one or two.
 */
export function minCut(
  vertices: number,
  edges: readonly Edge[],
  source: number,
  sink: number,
): { readonly cost: number; readonly sinkSide: readonly boolean[] } {
  // Edge 2i is the i-th edge, edge 2i + 1 its way back.
  const head = new Int32Array(edges.length * 2);
  const left = new Float64Array(edges.length * 2);
  const leaving = Array.from({ length: vertices }, (): number[] => []);
  edges.forEach((edge, index) => {
    head[2 * index] = edge.to;
    head[2 * index + 1] = edge.from;
    left[2 * index] = edge.cost;
    leaving[edge.from]?.push(2 * index);
    leaving[edge.to]?.push(2 * index + 1);
  });
  let cost = 0;
  while (cost < UNCUTTABLE) {
    const path = shortestPath(leaving, head, left, source, sink);
    if (path === undefined) break;
    const flow = Math.min(...path.map((edge) => left[edge] ?? 0));
    for (const edge of path) {
      left[edge] = (left[edge] ?? 0) - flow;
      left[edge ^ 1] = (left[edge ^ 1] ?? 0) + flow;
    }
    cost += flow;
  }
  return { cost, sinkSide: reachesSink(leaving, head, left, sink) };
}

/** Edges of a shortest path that has capacity left on every edge; undefined if there is none. */
function shortestPath(
  leaving: readonly (readonly number[])[],
  head: Int32Array,
  left: Float64Array,
  source: number,
  sink: number,
): number[] | undefined {
  const cameBy = new Int32Array(leaving.length).fill(-1);
  const queue = [source];
  for (let at = 0; at < queue.length; at++) {
    for (const edge of leaving[queue[at] as number] as readonly number[]) {
      const next = head[edge] as number;
      if (next === source || cameBy[next] !== -1 || (left[edge] as number) <= 0) continue;
      cameBy[next] = edge;
      if (next === sink) {
        const path: number[] = [];
        for (let vertex = sink; vertex !== source; vertex = head[(cameBy[vertex] as number) ^ 1] as number)
          path.push(cameBy[vertex] as number);
        return path;
      }
      queue.push(next);
    }
  }
  return undefined;
}

function reachesSink(leaving: readonly (readonly number[])[], head: Int32Array, left: Float64Array, sink: number): boolean[] {
  const reaches = leaving.map(() => false);
  reaches[sink] = true;
  const queue = [sink];
  for (let at = 0; at < queue.length; at++) {
    for (const edge of leaving[queue[at] as number] as readonly number[]) {
      const before = head[edge] as number;
      if (reaches[before] || (left[edge ^ 1] as number) <= 0) continue;
      reaches[before] = true;
      queue.push(before);
    }
  }
  return reaches;
}
