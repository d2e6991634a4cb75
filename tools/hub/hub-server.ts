// A model hub on this machine, for benches, tests and work offline: the hub's paths, redirects and error codes, and the
// faults of a network. It counts what it sends.
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { parseArgs } from "node:util";

/** The commit that the hub names for `main`. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export interface HubOptions {
  /** Folders by `organisation/name`. */
  readonly models?: Readonly<Record<string, string>>;
  /** 0, the default, picks any free port. */
  readonly port?: number;
  /** Bytes a second of each connection; 0, the default, means no limit. */
  readonly bytesPerSecond?: number;
}

export interface Hub {
  /** Ends in a slash. */
  readonly url: string;
  /** Files in memory, beside those of the folders: bytes by `organisation/name/path`. */
  readonly files: Map<string, Uint8Array>;
  /** Numbers of bytes after which the next replies break off, one for each reply. */
  readonly breaks: number[];
  /** Whether there is an API that lists files; mirrors have none. */
  hasListing: boolean;
  /** Bytes of bodies that were given to the network since the last `reset`. */
  readonly sentBytes: number;
  /** Ranges of files sent since the last `reset`. */
  readonly requests: readonly { readonly file: string; readonly start: number; readonly end: number }[];
  /** Paths that were requested since the last `reset`, each with its range if it had one. */
  readonly asked: readonly string[];
  /** Returns the address of the folder that a model's paths are relative to, ending in a slash. */
  folderOf(model: string): string;
  reset(): void;
  setRate(bytesPerSecond: number): void;
  stop(): Promise<void>;
}

/** Bytes written at once: few compared with a tile, so that the bytes sent are nearly those that arrived. */
const CHUNK_BYTES = 64 * 1024;

/** A file to send, from memory or from a folder. */
interface Served {
  readonly size: number;
  read(start: number, end: number): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const hub = new HubServer(options);
  await hub.listen(options.port ?? 0);
  return hub;
}

class HubServer implements Hub {
  url = "";
  readonly files = new Map<string, Uint8Array>();
  readonly breaks: number[] = [];
  hasListing = true;
  sentBytes = 0;
  readonly requests: { file: string; start: number; end: number }[] = [];
  readonly asked: string[] = [];
  readonly #models: Readonly<Record<string, string>>;
  readonly #server: http.Server;
  #rate: number;

  constructor({ models = {}, bytesPerSecond = 0 }: HubOptions) {
    this.#models = models;
    this.#rate = bytesPerSecond;
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(port, "127.0.0.1", resolve);
    });
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`; // listening on a port, so no pipe
  }

  folderOf(model: string): string {
    return `${this.url}${model}/resolve/main/`;
  }

  reset(): void {
    this.sentBytes = 0;
    this.requests.length = 0;
    this.asked.length = 0;
  }

  setRate(bytesPerSecond: number): void {
    this.#rate = bytesPerSecond;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
    if (request.method === "OPTIONS") return void response.writeHead(204).end();
    const parts = decodeURIComponent(new URL(request.url ?? "/", "http://hub").pathname.slice(1)).split("/");
    this.asked.push([parts.join("/"), request.headers.range].filter((part) => part !== undefined).join(" "));
    const fail = (status: number, code?: string): void =>
      void response.writeHead(status, code === undefined ? {} : { "x-error-code": code }).end();
    if (parts[0] === "api" && !this.hasListing) return fail(404);
    const isCdn = parts[0] === "cdn";
    const [organisation = "", name = "", verb, revision = "", ...rest] =
      parts[0] === "api" ? parts.slice(2) : isCdn ? parts.slice(1) : parts;
    const repository = `${organisation}/${name}`;
    const listed = await this.#list(repository);
    if (listed.length === 0) return fail(401, "RepoNotFound");
    if (revision !== "main" && revision !== COMMIT) return fail(404, "RevisionNotFound");
    if (parts[0] === "api") return void response.end(JSON.stringify({ sha: COMMIT, siblings: listed.map((rfilename) => ({ rfilename })) }));
    const file = rest.join("/");
    const found = verb === "resolve" ? await this.#find(repository, file) : undefined;
    if (!found) return fail(404, "EntryNotFound");
    // Large files are on another server.
    if (!isCdn && file.includes(".onnx"))
      return void response.writeHead(302, { location: `/cdn${request.url}`, "x-repo-commit": COMMIT }).end();
    await this.#send(file, found, request, response);
  }

  async #send(file: string, served: Served, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const match = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? "");
    const start = Number(match?.[1] ?? 0);
    const { size } = served;
    const end = Math.min(size, match?.[2] === undefined ? size : Number(match[2]) + 1);
    if (match && start >= size) return void response.writeHead(416).end();
    response.writeHead(match ? 206 : 200, {
      "content-length": end - start,
      "content-type": "application/octet-stream",
      ...(match && { "content-range": `bytes ${start}-${end - 1}/${size}` }),
    });
    this.requests.push({ file, start, end });
    const breakAfter = this.breaks.shift() ?? Infinity;
    const begun = performance.now();
    let sent = 0;
    for await (const chunk of served.read(start, end)) {
      if (response.destroyed) return;
      const bytes = chunk.subarray(0, Math.max(0, breakAfter - sent));
      await new Promise<void>((resolve) => response.write(bytes, () => resolve()));
      this.sentBytes += bytes.byteLength;
      sent += bytes.byteLength;
      if (sent >= breakAfter) return void response.destroy();
      const dueMs = this.#rate > 0 ? (sent / this.#rate) * 1000 - (performance.now() - begun) : 0;
      if (dueMs > 1) await new Promise((resolve) => setTimeout(resolve, dueMs));
    }
    response.end();
  }

  async #list(repository: string): Promise<readonly string[]> {
    const inMemory = [...this.files.keys()]
      .filter((name) => name.startsWith(`${repository}/`))
      .map((name) => name.slice(repository.length + 1));
    const folder = this.#models[repository];
    return folder === undefined ? inMemory : [...inMemory, ...(await readdir(folder))];
  }

  async #find(repository: string, file: string): Promise<Served | undefined> {
    const bytes = this.files.get(`${repository}/${file}`);
    if (bytes) return { size: bytes.byteLength, read: (start, end) => [bytes.subarray(start, end)] };
    const folder = this.#models[repository];
    if (folder === undefined) return undefined;
    const full = path.join(folder, path.posix.normalize(`/${file}`));
    const found = await stat(full).catch(() => undefined); // not there
    // A stream without an encoding gives bytes.
    const read: Served["read"] = (start, end) =>
      createReadStream(full, { start, end: end - 1, highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
    return found?.isFile() ? { size: found.size, read } : undefined;
  }
}

/** What hubs and their CDNs allow to pages of other sites. */
const CORS = Object.freeze({
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "range",
  "access-control-expose-headers": "content-length, content-range, retry-after, x-error-code",
  "access-control-max-age": "86400",
});

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: { type: "string" }, rate: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help || positionals.length === 0) {
    console.log("node tools/hub/hub-server.ts [--port N] [--rate BYTES_PER_SECOND] ORGANISATION/NAME=FOLDER …");
  } else {
    const models = Object.fromEntries(positionals.map((entry) => entry.split("=", 2)));
    const hub = await startHub({ models, port: Number(values.port ?? 0), bytesPerSecond: Number(values.rate ?? 0) });
    for (const model of Object.keys(models)) console.log(hub.folderOf(model));
  }
}
