// The bundled model, read from the repository, for tests in Node: real weights and the real runtime.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import type { Engine } from "../../src/engine/contract.ts";
import { LocalEngine } from "../../src/engine/local-engine.ts";
import { RuntimeLock } from "../../src/engine/runtime-lock.ts";
import { SpanRunner } from "../../src/engine/span-runner.ts";
import { cutSpan } from "../../src/model/cut/cut-span.ts";
import { type CuttableModel, readCuttableModel } from "../../src/model/cut/cuttable-model.ts";
import type { SpanSource } from "../../src/protocol/span-plan.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asModelId } from "../../src/shared/ids.ts";

const FOLDER = new URL("../../public/models/tales-2m/", import.meta.url);

export const BUNDLED = Object.freeze({ id: asModelId("bundled-model-of-tests"), contextLength: 512, folder: FOLDER });

export const readBundled = (path: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(new URL(path, FOLDER)));

/** All engines of a test share one runtime. */
const lock = new RuntimeLock();
let model: CuttableModel | undefined;
let weights: Uint8Array<ArrayBuffer> | undefined;

/** The span `[start, end)` of the bundled model, with its weights. */
export function bundledSpan(start: number, end: number): SpanSource {
  model ??= readCuttableModel(readBundled("model.onnx"));
  weights ??= readBundled("model.onnx.data");
  const data = weights;
  const cut = cutSpan(model, { start, end }, { model: BUNDLED.id, contextLength: BUNDLED.contextLength });
  return {
    plan: cut.plan,
    graph: cut.graph,
    externalData: cut.weights.map(({ path, source }) => ({ path, data: data.slice(source.offset, source.offset + source.length) })),
  };
}

/** An engine in this process for `[start, end)`. */
export async function bundledEngine(start: number, end: number, cacheBudgetBytes = 64 * 1024 * 1024): Promise<Engine> {
  const runner = await lock.hold(() =>
    SpanRunner.create(ort, bundledSpan(start, end), { executionProviders: ["wasm"], cacheOnDevice: false }),
  );
  return new LocalEngine(
    ort,
    runner,
    { backend: "wasm", determinismClass: "test", rowInvariant: false, layerMs: 1, conversionMs: 0, notices: [] },
    { cacheBudgetBytes, share: 1, clock: systemClock, lock },
  );
}
