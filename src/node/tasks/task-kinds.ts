// The kinds of tasks that every peer computes, and a runner of models behind the port that kinds know.
import type { OnnxModels } from "../../engine/onnx-models.browser.ts";
import { concatBytes, toHex } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { hash } from "../../tasks/kinds/hash.ts";
import type { OnnxRunner } from "../../tasks/kinds/ml-inference.ts";
import { multiply } from "../../tasks/kinds/multiply.ts";
import { render } from "../../tasks/kinds/render/render.ts";
import { sort } from "../../tasks/kinds/sort.ts";
import { sum } from "../../tasks/kinds/sum.ts";
import type { FetchTile } from "../../tasks/volunteer/local-runner.ts";
import type { RunnableKind } from "../../tasks/task-kind.ts";

/** Those that any thread computes: without models, programs of strangers, or a graphics card. */
export const PLAIN_KINDS: readonly RunnableKind[] = Object.freeze([sum, multiply, sort, hash, render]);

/** Models by ONNX Runtime; `models` is asked for with the first one. */
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
          if (bytes === undefined) throw new ManyhandsError("INPUT_UNAVAILABLE", "a tile of the model is not to be had");
          parts.push(bytes);
          context.progress();
        }
        return concatBytes(parts);
      };
      return (await models()).run(tiles.map((tile) => toHex(tile.hash)).join(), load, inputs);
    },
  };
}
