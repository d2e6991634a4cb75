// A model of the relay, opened for this tab: what a prompt needs, and spans on demand through the browser's storage.
import type { PromptModel } from "../../inference/generate.ts";
import { fetchManifest, fetchModelFiles } from "../../model/fetch-model.ts";
import type { HttpFetch } from "../../model/tiles/http-fetch.ts";
import { headLayers } from "../../model/tiles/manifest.ts";
import { type ModelSummary, summarise } from "../../model/model-summary.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { BackendChoice } from "../state.ts";
import type { SpanLoader } from "../spans/lender.ts";
import { withAdvice, ModelBytes } from "./model-bytes.ts";
import { openText } from "./open-text.ts";
import type { OfferedModel } from "../../protocol/relay-api.ts";

export interface OpenModel extends PromptModel, SpanLoader {
  readonly sizeBytes: number;
  readonly summary: ModelSummary;
  /** Its weights: where they come from, and which are kept. */
  readonly bytes: ModelBytes;
}

export interface OpenModelOptions {
  readonly backend: () => BackendChoice;
  readonly clock: Clock;
  readonly log: Log;
  readonly onNotice: (sentence: string) => void;
}

/** Fetches the small files of an offered model. Throws MODEL_UNAVAILABLE, MODEL_CORRUPT or the signal's reason. */
export async function openModel(options: OpenModelOptions, origin: string, offered: OfferedModel, signal: AbortSignal): Promise<OpenModel> {
  const baseUrl = new URL(".", new URL(offered.manifest, origin)).href;
  const http = { baseUrl, fetch: fetchHttp, clock: options.clock, random: Math.random };
  const { id } = offered;
  const manifest = await withAdvice(fetchManifest(http, id, signal));
  const { graph, tokenizer, tokenizerConfig } = await withAdvice(fetchModelFiles(http, manifest, signal));
  const text = await openText(manifest, { tokenizer, tokenizerConfig });
  const bytes = await ModelBytes.open({ ...options, model: id, manifest, graph, http });
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
 * The platform's fetch, called as a plain function. The browser's cache keeps no weights, which the tile store does,
 * and small files are asked for anew: otherwise a damaged copy in that cache would be read again and again.
 */
const fetchHttp: HttpFetch = (url, init) => fetch(url, { ...init, cache: init.headers?.["Range"] === undefined ? "no-cache" : "no-store" });
