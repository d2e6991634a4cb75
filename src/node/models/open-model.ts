// A model of the relay, opened for this tab: what a prompt needs, and spans on demand through this browser's storage.
import type { PromptModel } from "../../inference/generate.ts";
import { fetchManifest, fetchModelFiles } from "../../model/fetch-model.ts";
import type { HttpFetch } from "../../model/tiles/http-fetch.ts";
import { headLayers } from "../../model/tiles/manifest.ts";
import { type ModelSummary, summarise } from "../../model/model-summary.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { BackendChoice } from "../state.ts";
import type { SpanLoader } from "../spans/lender.ts";
import { advised, ModelBytes } from "./model-bytes.ts";
import { openText } from "./open-text.ts";
import type { OfferedModel } from "../../protocol/relay-api.ts";

export interface OpenModel extends PromptModel, SpanLoader {
  readonly sizeBytes: number;
  readonly summary: ModelSummary;
  /** Where its weights come from and what is kept of them. */
  readonly bytes: ModelBytes;
}

export interface OpenModelDeps {
  readonly backend: () => BackendChoice;
  readonly clock: Clock;
  readonly log: Log;
  readonly onNotice: (sentence: string) => void;
}

/** Fetches the small files of a model that the relay offers. Throws MODEL_UNAVAILABLE, MODEL_CORRUPT or the signal's reason. */
export async function openModel(deps: OpenModelDeps, origin: string, offered: OfferedModel, signal: AbortSignal): Promise<OpenModel> {
  const baseUrl = new URL(".", new URL(offered.manifest, origin)).href;
  const http = { baseUrl, fetch: fetchHttp, clock: deps.clock, random: Math.random };
  const { id } = offered;
  const manifest = await advised(fetchManifest(http, id, signal));
  const { graph, tokenizer, tokenizerConfig } = await advised(fetchModelFiles(http, manifest, signal));
  const text = await openText(manifest, { tokenizer, tokenizerConfig });
  const bytes = await ModelBytes.open({ ...deps, model: id, manifest, graph, http });
  const summary = summarise(manifest);
  return {
    id,
    layerCount: manifest.layerCount,
    headLayers: headLayers(manifest),
    contextLength: manifest.contextLength,
    vocabularySize: manifest.vocabularySize,
    ...text,
    sizeBytes: summary.sizeBytes,
    summary,
    bytes,
    fit: (span) => bytes.fit(span),
    loadSpan: (span, onProgress, spanSignal) => bytes.loadSpan(span, onProgress, spanSignal),
  };
}

/**
 * The platform's fetch, called as a plain function. Weights are kept by the tile store alone and small files are asked
 * for anew, so that a damaged copy in the browser's cache is not read again and again.
 */
const fetchHttp: HttpFetch = (url, init) => fetch(url, { ...init, cache: init.headers?.["Range"] === undefined ? "no-cache" : "no-store" });
