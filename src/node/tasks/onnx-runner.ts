// Runs the models of tasks by ONNX Runtime, behind the port that kind `ml_inference` knows.
import type { OnnxModels } from "../../engine/onnx-models.browser.ts";
import { concatBytes, toHex } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { OnnxRunner } from "../../tasks/kinds/ml-inference.ts";
import type { FetchTile } from "../../tasks/volunteer/local-runner.ts";

/** `models` is called with the first task. */
export function onnxRunner(models: () => Promise<OnnxModels>, fetchTile: FetchTile): OnnxRunner {
  return {
    run: async (tiles, inputs, context) => {
      const sizeBytes = tiles.reduce((sum, tile) => sum + tile.sizeBytes, 0);
      if (context.limits && sizeBytes > context.limits.memoryBytes)
        throw new ManyhandsError("MODEL_UNSUPPORTED", "the model is larger than the task's memory");
      const load = async (): Promise<Uint8Array> => {
        const parts: Uint8Array[] = [];
        for (const tile of tiles) {
          const bytes = await fetchTile(tile.hash, tile.sizeBytes, context);
          if (bytes === undefined) throw new ManyhandsError("INPUT_UNAVAILABLE", "no peer gave a tile of the model");
          parts.push(bytes);
          context.progress();
        }
        return concatBytes(parts);
      };
      return (await models()).run(tiles.map((tile) => toHex(tile.hash)).join(), load, inputs);
    },
  };
}
