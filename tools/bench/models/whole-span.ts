// Loads spans of a model on disk, and opens runners over their plain or their row-invariant form.
import * as ort from "onnxruntime-web";
import { unpackSpan } from "../../../src/engine/dequantize.ts";
import { SpanRunner } from "../../../src/engine/span-runner.ts";
import { loadSpan } from "../../../src/model/load-span.ts";
import { MemoryTileStore } from "../../../src/model/tiles/memory-tile-store.ts";
import type { SpanSource } from "../../../src/protocol/span-plan.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { FolderTileSource, manifestOfFolder } from "../../model/model-folder.ts";

/** Loads the model of a folder, cut before each layer that `cuts` returns. */
export async function loadSpans(folder: string, cuts: (layerCount: number) => readonly number[]): Promise<SpanSource[]> {
  const built = await manifestOfFolder(folder);
  const { layerCount } = built.manifest;
  const bounds = [0, ...cuts(layerCount), layerCount];
  return Promise.all(
    bounds.slice(1).map((end, index) =>
      loadSpan({
        model: built.id,
        manifest: built.manifest,
        graph: built.graph.bytes,
        span: { start: bounds[index] ?? 0, end },
        source: new FolderTileSource(folder),
        store: new MemoryTileStore({ budgetBytes: 0 }),
        clock: systemClock,
        signal: new AbortController().signal,
      }),
    ),
  );
}

/** Loads the whole model of a folder as one span. */
export async function wholeSpan(folder: string): Promise<SpanSource> {
  const [span] = await loadSpans(folder, () => []);
  if (span === undefined) throw new Error(`${folder} has no layers`);
  return span;
}

/** Opens a runner over the plain or the row-invariant form. Throws if there is no such form. */
export async function openRunner(source: SpanSource, plain: boolean): Promise<SpanRunner> {
  const options = { executionProviders: ["wasm"], cacheOnDevice: false };
  if (plain) return SpanRunner.create(ort, unpackSpan(source), options);
  const form = source.rowInvariant;
  if (form?.kind !== "graph") throw new Error(form?.reason ?? "the span has no row-invariant form");
  return SpanRunner.create(ort, unpackSpan({ ...source, graph: form.graph, converted: form.converted }), {
    ...options,
    stepBreaks: form.stepBreaks,
  });
}
