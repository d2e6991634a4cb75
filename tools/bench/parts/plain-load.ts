// The yardstick of the load bench: a page whose Web Worker gets a span's bytes with plain fetch and creates the
// session.
import { createReadStream, existsSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

const RUNTIME = path.resolve(import.meta.dirname, "../../../node_modules/onnxruntime-web/dist");

/** One file of a span's external data, and the range of the model's file in which it is fetched. */
export interface PlainFile {
  readonly name: string;
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  readonly groupStart: number;
  readonly groupEnd: number;
}

export interface PlainSpan {
  readonly graph: Uint8Array;
  readonly files: readonly PlainFile[];
  /** Files that are not fetched: zeros in place of the unpacked weights, so that the session has the same size. */
  readonly unpacked: readonly { readonly name: string; readonly length: number }[];
  readonly url: string;
}

export interface PlainPage {
  readonly url: string;
  stop(): Promise<void>;
}

const PAGE = `<!doctype html><script>
globalThis.load = () => new Promise((resolve, reject) => {
  const started = performance.now();
  const worker = new Worker("/worker.js", { type: "module" });
  worker.onmessage = ({ data }) => (data === "ready" ? resolve(performance.now() - started) : reject(new Error(data)));
  worker.onerror = (event) => reject(new Error(event.message));
});
</script>`;

const WORKER = `
import * as ort from "/ort/ort.wasm.bundle.min.mjs";
try {
  const { url, files, unpacked } = await (await fetch("/span.json")).json();
  const graph = new Uint8Array(await (await fetch("/graph.onnx")).arrayBuffer());
  const groups = new Map();
  for (const { file, groupStart, groupEnd } of files) groups.set(file + groupStart, { file, groupStart, groupEnd });
  const bytes = new Map();
  for (const [key, { file, groupStart, groupEnd }] of groups) {
    const reply = await fetch(url + file, { headers: { Range: "bytes=" + groupStart + "-" + (groupEnd - 1) }, cache: "no-store" });
    bytes.set(key, await reply.arrayBuffer());
  }
  ort.env.wasm.numThreads = 1;
  const externalData = files.map(({ name, file, offset, length, groupStart }) => ({
    path: name, data: new Uint8Array(bytes.get(file + groupStart), offset - groupStart, length) }));
  for (const { name, length } of unpacked) externalData.push({ path: name, data: new Uint8Array(length) });
  globalThis.session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData, graphOptimizationLevel: "all" });
  postMessage("ready");
} catch (error) { postMessage(String(error)); }
`;

export async function servePlainPage(span: PlainSpan): Promise<PlainPage> {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://page");
    const send = (type: string, body: string | Uint8Array): void => void response.writeHead(200, { "content-type": type }).end(body);
    if (pathname === "/") return send("text/html", PAGE);
    if (pathname === "/worker.js") return send("text/javascript", WORKER);
    if (pathname === "/graph.onnx") return send("application/octet-stream", span.graph);
    if (pathname === "/span.json")
      return send("application/json", JSON.stringify({ url: span.url, files: span.files, unpacked: span.unpacked }));
    const file = path.join(RUNTIME, path.posix.normalize(pathname.replace(/^\/ort/, "")));
    if (!pathname.startsWith("/ort/") || !existsSync(file)) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": file.endsWith(".wasm") ? "application/wasm" : "text/javascript" });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, // listening on a port, so no pipe
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
