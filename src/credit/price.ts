// The worth of work, from what the network measured: layer-tokens at the cost that the manifest says, tasks at the
// price of their kind. Pure.
import type { ReceiptRefusal } from "../protocol/credit-frames.ts";
import type { Work } from "../protocol/receipt.ts";

const DEFAULTS = Object.freeze({
  /**
   * Multiply-adds with weights in a microcredit. A credit is 10^9 of them, about half a second of one WebAssembly
   * thread.
   */
  multiplyAddsPerMicro: 1000,
});

/** Multiply-adds of a model for one token, from its manifest. */
export interface ModelCost {
  readonly layerCost: readonly number[];
  readonly headCost: number;
}

/** What units of work cost. */
export interface PriceList {
  /** A model's cost; undefined if the ledger does not know it. */
  readonly costOf: (model: string) => ModelCost | undefined;
  /** Microcredits of one unit of a kind of task; undefined for a kind that earns nothing. */
  readonly unitPrice: (taskKind: string) => number | undefined;
}

export type Price = { readonly kind: "worth"; readonly micro: number } | { readonly kind: "refused"; readonly reason: ReceiptRefusal };

/** Returns the price of `work` for `requester`, or why it is refused. */
export function priceWork(work: Work, requester: string, { costOf, unitPrice }: PriceList): Price {
  if (work.kind === "task") {
    const micro = unitPrice(work.taskKind);
    return micro === undefined ? { kind: "refused", reason: "unknown-kind" } : { kind: "worth", micro: micro * work.units };
  }
  const cost = costOf(work.model);
  if (cost === undefined) return { kind: "refused", reason: "unknown-model" };
  const layerCount = cost.layerCost.length;
  const { span, positions, upstream, downstream } = work;
  if (span.end > layerCount) return { kind: "refused", reason: "bad-span" };
  // The requester is the neighbour at both ends of a route. Inside a route it may be one, too, if its own tab holds
  // layers.
  if (span.start === 0 && upstream !== requester) return { kind: "refused", reason: "bad-span" };
  if (span.end === layerCount && downstream !== requester) return { kind: "refused", reason: "bad-span" };
  const layers = cost.layerCost.slice(span.start, span.end).reduce((sum, each) => sum + each, 0);
  const perToken = layers + (span.end === layerCount ? cost.headCost : 0);
  const micro = Math.floor((perToken * (positions.end - positions.start)) / DEFAULTS.multiplyAddsPerMicro);
  if (micro < 1) return { kind: "refused", reason: "worthless" };
  return { kind: "worth", micro };
}
