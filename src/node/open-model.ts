// A model of the relay, opened for this tab: what a prompt needs, and spans on demand through this browser's storage.
import type { PromptModel } from "../inference/generate.ts";
import { fetchManifest, fetchModelFiles } from "../model/fetch-model.ts";
import type { HttpFetch } from "../model/http-fetch.ts";
import { HttpTileSource } from "../model/http-tile-source.ts";
import { IdbTileStore } from "../model/idb-tile-store.browser.ts";
import { loadSpan } from "../model/load-span.ts";
import { MemoryTileStore } from "../model/memory-tile-store.ts";
import { type ModelSummary, summarise } from "../model/model-summary.ts";
import type { TileStore } from "../model/tile-store.ts";
import { readTokenizer } from "../model/tokenizer.ts";
import type { Clock } from "../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../shared/errors.ts";
import { asModelId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import type { SpanLoader } from "./lender.ts";
import type { Bootstrap } from "./relay-api.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of weights that this browser keeps, least recently used out first: three small models, or one of 300 M parameters. */
  storeBytes: 1024 * 1024 * 1024,
  storeName: "manyhands-tiles",
});

export interface OpenModel extends PromptModel, SpanLoader {
  readonly sizeBytes: number;
  readonly summary: ModelSummary;
}

export interface OpenModelDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly onNotice: (sentence: string) => void;
}

/** Fetches what the relay says it serves first. Throws MODEL_UNAVAILABLE, MODEL_CORRUPT or the signal's reason. */
export async function openModel(deps: OpenModelDeps, origin: string, bootstrap: Bootstrap, signal: AbortSignal): Promise<OpenModel> {
  const offered = bootstrap.models[0];
  if (!offered) throw new ManyhandsError("MODEL_UNAVAILABLE", "This relay serves no model. Its operator can add one with --models.");
  const baseUrl = new URL(".", new URL(offered.manifest, origin)).href;
  const http = { baseUrl, fetch: fetchHttp, clock: deps.clock, random: Math.random };
  const id = asModelId(offered.id);
  const manifest = await advised(fetchManifest(http, id, signal));
  const { graph, tokenizer, tokenizerConfig } = await advised(fetchModelFiles(http, manifest, signal));
  if (!tokenizer)
    throw new ManyhandsError("MODEL_UNAVAILABLE", `The model "${manifest.name}" comes without a tokenizer.json, so it cannot read text.`);
  const source = new HttpTileSource(http);
  const store = await openStore(deps);
  const summary = summarise(manifest);
  return {
    id,
    layerCount: manifest.layerCount,
    contextLength: manifest.contextLength,
    vocabularySize: manifest.vocabularySize,
    stopTokens: new Set(manifest.eosTokens),
    tokenizer: readTokenizer(tokenizer, tokenizerConfig),
    sizeBytes: summary.sizeBytes,
    summary,
    loadSpan: (span, onProgress, spanSignal) =>
      advised(
        loadSpan({ model: id, manifest, graph, span, source, store, clock: deps.clock, onProgress, log: deps.log, signal: spanSignal }),
      ),
  };
}

/**
 * The platform's fetch, called as a plain function. Weights are kept by the tile store alone and small files are asked
 * for anew, so that a damaged copy in the browser's cache is not read again and again.
 */
const fetchHttp: HttpFetch = (url, init) => fetch(url, { ...init, cache: init.headers?.["Range"] === undefined ? "no-cache" : "no-store" });

/** What the model's layer states as a fact, told with what was kept and what a person can do. */
async function advised<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const code = errorCode(cause);
    if (code !== "MODEL_CORRUPT" && code !== "MODEL_UNAVAILABLE") throw cause;
    const sentence =
      code === "MODEL_CORRUPT"
        ? `The relay's copy of the model is damaged: ${errorMessage(cause)}. Nothing damaged is kept or run.`
        : `The model could not be fetched: ${errorMessage(cause)}. What was fetched before is kept.`;
    throw new ManyhandsError(code, `${sentence} Try again in a while; if it stays so, tell whoever runs the relay.`, { cause });
  }
}

async function openStore({ log, onNotice }: OpenModelDeps): Promise<TileStore> {
  try {
    return await IdbTileStore.open({ name: DEFAULTS.storeName, budgetBytes: DEFAULTS.storeBytes, now: () => Date.now() });
  } catch (error) {
    log.warn("no tile store", { error: String(error) });
    onNotice("This browser blocks storage, so the weights are fetched anew on every visit. A normal (not private) window keeps them.");
    return new MemoryTileStore({ budgetBytes: DEFAULTS.storeBytes });
  }
}
