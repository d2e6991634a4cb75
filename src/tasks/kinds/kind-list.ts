// Every kind of task, each described once: what it costs, how its results are judged, what its parts are called, where
// its code is. This file loads no code of a kind. The relay prices by it, and the page speaks of kinds by it before
// anybody asks for a job.
import type { KindFacts } from "../task-kind.ts";

/**
 * Prices are calibrated on one thread of the machine on which a credit of layer-tokens takes 0.5 s, so that an hour of
 * a tab earns about the same whatever it computes: 2 microcredits for each microsecond that the median unit takes (big
 * integers read from text, SHA-256 by the platform, one intersection of a ray with ten spheres). A kind that is not in
 * this list earns nothing.
 *
 * @internal
 */
export const KINDS = Object.freeze({
  /** Whole numbers are exact; floats are added in blocks, left to right. */
  sum: {
    version: 1,
    isExact: true,
    price: { unit: "1,000 numbers", micro: 200 },
    part: ["part of a sum", "parts of sums"],
    load: async () => (await import("./sum.ts")).sum,
  },
  mean: {
    version: 1,
    isExact: true,
    price: { unit: "1,000 numbers", micro: 200 },
    part: ["part of a mean", "parts of means"],
    load: async () => (await import("./mean.ts")).mean,
  },
  multiply: {
    version: 1,
    isExact: true,
    price: { unit: "1,000 multiply-adds of numbers", micro: 220 },
    part: ["block of a product of matrices", "blocks of products of matrices"],
    load: async () => (await import("./multiply.ts")).multiply,
  },
  sort: {
    version: 1,
    isExact: true,
    price: { unit: "1,000 items", micro: 310 },
    part: ["run of a list to sort", "runs of lists to sort"],
    load: async () => (await import("./sort.ts")).sort,
  },
  hash: {
    version: 1,
    isExact: true,
    price: { unit: "64 KiB", micro: 140 },
    part: ["batch of hashes", "batches of hashes"],
    load: async () => (await import("./hash.ts")).hash,
  },
  render: {
    version: 1,
    isExact: true,
    price: { unit: "1,000 ray segments, ten objects", micro: 470 },
    part: ["square of a picture", "squares of pictures"],
    load: async () => (await import("./render/render.ts")).render,
  },
  /** On graphics cards: faster, and nearly the same picture. */
  render_gpu: {
    version: 1,
    isExact: false,
    /**
     * The software adapter draws in a half to a seventh of the time of `render`; cards in less, but not every tab has
     * one.
     */
    price: { unit: "1,000 ray segments, ten objects", micro: 100 },
    part: ["square of a picture on the graphics card", "squares of pictures on the graphics card"],
    needs: "card",
    load: async () => (await import("./render/render-gpu.ts")).renderGpuBy(undefined),
  },
  ml_inference: {
    version: 1,
    /** One WebAssembly thread, without relaxed SIMD, gives the same bytes on every machine. */
    determinismClass: "onnxruntime-web@1.30.0/wasm/1",
    isExact: false,
    price: { unit: "1,000,000 multiply-adds", micro: 1000 },
    part: ["batch of runs of a model", "batches of runs of models"],
    needs: "models",
    load: async () => (await import("./ml-inference.ts")).mlInferenceBy(undefined),
  },
  map: {
    version: 1,
    isExact: true,
    price: { unit: "1 ms of the requester's reference run", micro: 2000 },
    part: ["batch of inputs of a program", "batches of inputs of programs"],
    needs: "sandbox",
    load: async () => (await import("./map.ts")).mapIn(undefined),
  },
} as const satisfies Readonly<Record<string, KindFacts>>);

export type TaskKindName = keyof typeof KINDS;

/** What a job of each kind is given: `SumData` for `sum`, and so on. */
export type TaskDataByKind = {
  readonly [Kind in TaskKindName]: Parameters<Awaited<ReturnType<(typeof KINDS)[Kind]["load"]>>["split"]>[0];
};

/** What comes of a job of each kind. */
export type TaskValueByKind = {
  readonly [Kind in TaskKindName]: ReturnType<Awaited<ReturnType<(typeof KINDS)[Kind]["load"]>>["join"]>;
};

/** The types of data and values: part of the public interface, which takes all of them from here. */
export type { HashData, Hashes } from "./hash.ts";
export type { MapData } from "./map.ts";
export type { MeanData } from "./mean.ts";
export type { MlInferenceData, ModelTiles, Tensor, Tensors } from "./ml-inference.ts";
export type { Matrix, MultiplyData, Product } from "./multiply.ts";
export type { Material, Scene, Triple } from "./render/scene.ts";
export type { Picture, Square } from "./render/squares.ts";
export type { SortData, Sorted } from "./sort.ts";
export type { SumData } from "./sum.ts";
