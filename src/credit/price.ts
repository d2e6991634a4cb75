// What work is worth, from what the network measured: layer-tokens at the manifest's cost, tasks at their kind's. Pure.
import type { ReceiptRefusal } from "../protocol/credit-frames.ts";
import type { Work } from "../protocol/receipt.ts";

export const DEFAULTS = Object.freeze({
  /** Multiply-adds with weights in a microcredit: a credit is 10^9, about half a second of one WebAssembly thread. */
  multiplyAddsPerMicro: 1000,
});

/** What the ledger knows of a model; multiply-adds for one token, from its manifest. */
export interface ModelCost {
  readonly layerCost: readonly number[];
  readonly headCost: number;
}

export interface TaskPrice {
  /** What `units` of a task of this kind count. */
  readonly unit: string;
  /** Microcredits of one unit. */
  readonly micro: number;
}

/**
 * Calibrated on one thread of the machine on which a credit of layer-tokens takes 0.5 s, so that an hour of a tab earns
 * about the same whatever it is given: 2 microcredits for each microsecond that the median unit takes (big integers read
 * from text, SHA-256 by the platform, one intersection of a ray with ten spheres). A kind that is not here earns nothing.
 */
export const TASK_PRICES: Readonly<Record<string, TaskPrice>> = Object.freeze({
  sum: { unit: "1,000 numbers", micro: 200 },
  multiply: { unit: "1,000 multiply-adds of numbers", micro: 220 },
  sort: { unit: "1,000 items", micro: 310 },
  hash: { unit: "64 KiB", micro: 140 },
  render: { unit: "1,000 ray segments, ten objects", micro: 470 },
  /** The software adapter draws in a half to a seventh of the time; cards in less, but not every tab has one. */
  render_gpu: { unit: "1,000 ray segments, ten objects", micro: 100 },
  ml_inference: { unit: "1,000,000 multiply-adds", micro: 1000 },
  map: { unit: "1 ms of the requester's reference run", micro: 2000 },
});

export type Price = { readonly kind: "worth"; readonly micro: number } | { readonly kind: "refused"; readonly reason: ReceiptRefusal };

/** The price of `work`. `costOf`: a model's cost, undefined where the ledger does not know it. */
export function priceWork(work: Work, requester: string, costOf: (model: string) => ModelCost | undefined): Price {
  if (work.kind === "task") {
    const price = Object.hasOwn(TASK_PRICES, work.taskKind) ? TASK_PRICES[work.taskKind] : undefined;
    return price === undefined ? { kind: "refused", reason: "unknown-kind" } : { kind: "worth", micro: price.micro * work.units };
  }
  const cost = costOf(work.model);
  if (cost === undefined) return { kind: "refused", reason: "unknown-model" };
  const layerCount = cost.layerCost.length;
  const { span, positions, upstream, downstream } = work;
  if (span.end > layerCount) return { kind: "refused", reason: "bad-span" };
  // The ends of a route are the requester's. Inside it may be a neighbour as well, where its own tab holds layers.
  if (span.start === 0 && upstream !== requester) return { kind: "refused", reason: "bad-span" };
  if (span.end === layerCount && downstream !== requester) return { kind: "refused", reason: "bad-span" };
  const layers = cost.layerCost.slice(span.start, span.end).reduce((sum, each) => sum + each, 0);
  const perToken = layers + (span.end === layerCount ? cost.headCost : 0);
  const micro = Math.floor((perToken * (positions.end - positions.start)) / DEFAULTS.multiplyAddsPerMicro);
  if (micro < 1) return { kind: "refused", reason: "worthless" };
  return { kind: "worth", micro };
}
