// The catalog adds up: shapes give the numbers of parameters that the authors state, and
// larger devices hold more layers.
import { describe, expect, test } from "vitest";
import { CATALOG, estimateSizes, layersThatFit } from "../../../src/model/catalog.ts";

/** Models whose head has a table of its own. */
const UNTIED = new Set(["onnx-community/Phi-3.5-mini-instruct-onnx-web"]);

describe.each(CATALOG)("$id", (model) => {
  test("has the parameters that its shape gives", () => {
    const { layers, width, feedForward, heads, kvHeads, headSize, vocabulary } = model;
    const layer = 2 * width * heads * headSize + 2 * width * kvHeads * headSize + 3 * width * feedForward;
    const parameters = layers * layer + vocabulary * width * (UNTIED.has(model.id) ? 2 : 1);
    expect(Math.abs(parameters / 1e6 / model.parametersM - 1)).toBeLessThan(0.01);
  });

  test("is between 100 M and 4 B, and names a file and a licence", () => {
    expect(model.parametersM).toBeGreaterThan(100);
    expect(model.parametersM).toBeLessThan(4100);
    expect(model.file).toMatch(/^onnx\/model_q4(f16)?\.onnx$/);
    expect(model.id).toMatch(/^[\w.-]+\/[\w.-]+$/);
  });

  test("fits more layers into more memory", () => {
    const { layerBytes, edgeBytes, cacheBytes } = estimateSizes(model);
    const fits = (gigabytes: number): number =>
      layersThatFit(
        { layerCount: model.layers, layerBytes, edgeBytes, cacheBytesPerLayer: cacheBytes },
        { memoryBytes: gigabytes * 1024 ** 3, gpuBufferBytes: undefined },
      );
    expect(fits(0.01)).toBe(0);
    expect([1, 2, 4, 8, 16].map(fits)).toEqual([1, 2, 4, 8, 16].map(fits).toSorted((a, b) => a - b));
    expect(fits(64)).toBeGreaterThan(model.layers / 2); // WebAssembly holds 4 GB, whatever the device has
  });
});
