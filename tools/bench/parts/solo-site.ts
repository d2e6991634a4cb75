// A local site with the two engines that this project is compared with, each on a page of its own, and their models of
// one shape.
import { createReadStream, existsSync } from "node:fs";
import { link, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type GgufWeights, writeGguf } from "../models/gguf.ts";
import { llamaGraph, type LlamaShape } from "../models/llama-graph.ts";

/** The packages' files for browsers are beside those that Node imports. */
const TRANSFORMERS = fileURLToPath(import.meta.resolve("@huggingface/transformers"));
/** Positions before the first decoded token: the same for both engines, because the cost of a step depends on them. */
const PROMPT_TOKENS = 30;

/** Folders of the site by their first part. */
const FOLDERS: Readonly<Record<string, string>> = Object.freeze({
  transformers: path.dirname(TRANSFORMERS),
  ort: path.dirname(createRequire(TRANSFORMERS).resolve("onnxruntime-web")), // the version that transformers.js was built with
  wllama: path.dirname(fileURLToPath(import.meta.resolve("@wllama/wllama/esm/index.js"))),
});
const TYPES: Readonly<Record<string, string>> = Object.freeze({
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
});

/** The file names that transformers.js expects. */
const ONNX_FILES: Readonly<Record<GgufWeights, string>> = Object.freeze({
  fp32: "model.onnx",
  q8: "model_quantized.onnx",
  q4: "model_q4.onnx",
});

/** What each page offers to the bench, as `solo` on its `window`. */
export interface SoloPage {
  load(): Promise<void>;
  /** Resolves with the tokens per second of decoding, without the first token. */
  decode(tokens: number): Promise<number>;
}

const PAGES: Readonly<Record<"transformers.js" | "wllama", (weights: GgufWeights) => string>> = {
  "transformers.js": (weights) => `
    import { AutoModelForCausalLM, env, Tensor } from "/transformers/transformers.min.js";
    env.allowRemoteModels = false;
    env.allowLocalModels = true;
    env.localModelPath = "/models/";
    env.useBrowserCache = false;
    env.backends.onnx.wasm.wasmPaths = "/ort/";
    env.backends.onnx.wasm.numThreads = 1;
    let model;
    window.solo = {
      async load() {
        model = await AutoModelForCausalLM.from_pretrained("wide", {
          dtype: ${JSON.stringify(weights)}, device: "wasm", use_external_data_format: true,
        });
      },
      async decode(tokens) {
        const ids = Array.from({ length: ${PROMPT_TOKENS} }, (_, index) => BigInt(100 + index));
        const ones = ids.map(() => 1n);
        const times = [];
        await model.generate({
          input_ids: new Tensor("int64", ids, [1, ids.length]),
          attention_mask: new Tensor("int64", ones, [1, ones.length]),
          max_new_tokens: tokens,
          do_sample: false,
          streamer: { put() { times.push(performance.now()); }, end() {} },
        });
        const decoded = times.slice(1); // the prompt comes first
        if (decoded.length !== tokens) throw new Error(decoded.length + " tokens instead of " + tokens);
        return (1000 * (tokens - 1)) / (decoded.at(-1) - decoded[0]);
      },
    };`,
  wllama: (weights) => `
    import { Wllama } from "/wllama/index.js";
    const wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
    window.solo = {
      async load() {
        const blob = await (await fetch("/models/wide/${weights}.gguf")).blob();
        await wllama.loadModel([blob], { n_threads: 1, n_gpu_layers: 0, n_ctx: 512, n_parallel: 1, seed: 1 });
        if (wllama.isMultithread()) throw new Error("more than one thread");
      },
      async decode(tokens) {
        // Timed by the engine's own clock, from the first token to the last: a chunk of text comes late if its bytes
        // end inside a letter.
        let timings;
        await wllama.createCompletion({
          prompt: "a".repeat(${PROMPT_TOKENS}),
          max_tokens: tokens,
          temperature: 0,
          ignore_eos: true,
          cache_prompt: false,
          stream: true,
          onData(chunk) { timings = chunk.timings ?? timings; },
        });
        const { predicted_n: decoded, predicted_ms: ms } = timings;
        if (decoded !== tokens) throw new Error(decoded + " tokens instead of " + tokens);
        return (1000 * (tokens - 1)) / ms;
      },
    };`,
};

export interface SoloSite {
  pageOf(engine: keyof typeof PAGES, weights: GgufWeights): string;
  stop(): Promise<void>;
}

/** Serves the engines and the models in `folder`, which `ensureSoloModels` made. */
export async function startSoloSite(folder: string): Promise<SoloSite> {
  const serve = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://site");
    const [, first = "", ...rest] = pathname.split("/");
    // Undefined for an engine that has no page.
    const page = first === "page" ? PAGES[decodeURIComponent(rest[0] ?? "") as keyof typeof PAGES] : undefined;
    if (page) {
      const asked = searchParams.get("weights");
      const script = page(asked === "q4" || asked === "q8" ? asked : "fp32");
      response.setHeader("content-type", "text/html");
      response.end(`<!doctype html><title>solo</title><link rel="icon" href="data:," /><script type="module">${script}</script>`);
      return;
    }
    const base = first === "models" ? folder : FOLDERS[first];
    const file = base && path.join(base, path.posix.normalize(`/${rest.map(decodeURIComponent).join("/")}`));
    const size =
      file === undefined
        ? undefined
        : await stat(file).then(
            ({ size: bytes }) => bytes,
            () => undefined,
          ); // not there
    if (file === undefined || size === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream", "content-length": size });
    if (request.method === "HEAD") response.end();
    else createReadStream(file).pipe(response);
  };
  const server = http.createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  return {
    pageOf: (engine, weights) => `http://localhost:${port}/page/${engine}?weights=${weights}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Writes the models for both engines beside the ONNX model, whose weights they share. Resolves with the folder. */
export async function ensureSoloModels(shape: LlamaShape, wide: string, weights: GgufWeights): Promise<string> {
  const folder = `${wide}-solo`;
  if (existsSync(path.join(folder, "wide/config.json"))) return folder;
  const draft = `${folder}.draft`;
  await rm(draft, { recursive: true, force: true });
  const onnx = path.join(draft, "wide/onnx");
  await mkdir(onnx, { recursive: true });
  const name = ONNX_FILES[weights];
  await writeFile(path.join(onnx, name), llamaGraph(shape, `${name}_data`).graph);
  await link(path.join(wide, "model.onnx.data"), path.join(onnx, `${name}_data`));
  await writeGguf(path.join(draft, `wide/${weights}.gguf`), shape, weights);
  await writeFile(path.join(draft, "wide/generation_config.json"), "{}\n");
  const config = {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    hidden_size: shape.width,
    intermediate_size: shape.feedForward,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    num_hidden_layers: shape.layers,
    head_dim: shape.headSize,
    vocab_size: shape.vocabulary,
    max_position_embeddings: shape.context,
  };
  await writeFile(path.join(draft, "wide/config.json"), `${JSON.stringify(config, undefined, 2)}\n`);
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder);
  return folder;
}
