// The kinds as whoever asks for work sees them: which data each takes, which value it gives, and how it is cut and joined.
import { hash, type HashData, type Hashes } from "./hash.ts";
import { type MapData, mapIn } from "./map.ts";
import { type MlInferenceData, mlInferenceBy, type Tensors } from "./ml-inference.ts";
import { multiply, type MultiplyData, type Product } from "./multiply.ts";
import { renderGpuBy } from "./render/render-gpu.ts";
import { render } from "./render/render.ts";
import { sort, type SortData, type Sorted } from "./sort.ts";
import { sum, type SumData } from "./sum.ts";
import type { Scene } from "./render/scene.ts";
import type { Picture } from "./render/squares.ts";
import type { TaskKind } from "../task-kind.ts";

/** What is computed, by kind. */
export interface TaskDataByKind {
  /** Floats are added in blocks, left to right; whole numbers exactly. */
  readonly sum: SumData;
  readonly multiply: MultiplyData;
  readonly sort: SortData;
  readonly hash: HashData;
  readonly render: Scene;
  /** On graphics cards: faster, and nearly the same picture. */
  readonly render_gpu: Scene;
  readonly ml_inference: MlInferenceData;
  readonly map: MapData;
}

/** What comes of it, by kind. */
export interface TaskValueByKind {
  readonly sum: number | bigint;
  readonly multiply: Product;
  readonly sort: Sorted;
  /** 32 bytes each: one for each item, or the root of a file's tree. */
  readonly hash: Hashes;
  readonly render: Picture;
  readonly render_gpu: Picture;
  /** Outputs of the model for each set of inputs, by name. */
  readonly ml_inference: readonly Tensors[];
  /** An output for each input, in their order. */
  readonly map: readonly unknown[];
}

export type TaskKindName = keyof TaskDataByKind;

/** As `TaskKind`, for any data: whoever calls has chosen the kind by the data's own. */
export type AskedKind = TaskKind<unknown, unknown>;

const KINDS: { readonly [Kind in TaskKindName]: TaskKind<TaskDataByKind[Kind], TaskValueByKind[Kind]> } = Object.freeze({
  sum,
  multiply,
  sort,
  hash,
  render,
  render_gpu: renderGpuBy(undefined),
  ml_inference: mlInferenceBy(undefined), // cuts and joins; models and programs run where they are lent
  map: mapIn(undefined),
});

export const KIND_NAMES: readonly string[] = Object.freeze(Object.keys(KINDS));

/** Undefined where there is no such kind. */
export function askedKind(name: string): AskedKind | undefined {
  return Object.hasOwn(KINDS, name) ? KINDS[name as TaskKindName] : undefined; // `work.kind` goes with `work.data`
}
