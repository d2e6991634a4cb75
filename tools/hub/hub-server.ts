// A local server in a model hub's layout that counts what it sends: for benches, tests, and trying things offline.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { parseArgs } from "node:util";

export interface HubOptions {
  /** `organisation/name` by folder. */
  readonly models: Readonly<Record<string, string>>;
  readonly revision?: string;
  /** 0, the default, picks any. */
  readonly port?: number;
  /** Bytes a second of each connection; 0, the default, is as fast as it goes. */
  readonly bytesPerSecond?: number;
  /** Answer with a redirect to another path first, as hubs send clients on to their CDN. Default: yes. */
  readonly redirects?: boolean;
}

export interface Hub {
  /** Ends in a slash. */
  readonly url: string;
  /** Body bytes of data files handed to the network since the last `reset`. */
  readonly sentBytes: number;
  /** Ranges of data files asked for since the last `reset`. */
  readonly requests: readonly { readonly file: string; readonly start: number; readonly end: number }[];
  /** Folder that a model's paths are relative to, ending in a slash. */
  folderOf(model: string): string;
  reset(): void;
  setRate(bytesPerSecond: number): void;
  stop(): Promise<void>;
}

/** Bytes written at once: small beside a tile, so that what was sent and what had arrived differ little. */
const CHUNK_BYTES = 64 * 1024;

export async function startHub(options: HubOptions): Promise<Hub> {
  const revision = options.revision ?? "main";
  const counted = { sentBytes: 0, requests: [] as { file: string; start: number; end: number }[], rate: options.bytesPerSecond ?? 0 };

  const serve = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
    if (request.method === "OPTIONS") {
      response.writeHead(204).end();
      return;
    }
    const { pathname } = new URL(request.url ?? "/", "http://hub");
    const [, cdn, organisation = "", name = "", verb, asked, ...rest] = pathname.startsWith("/cdn/")
      ? pathname.split("/")
      : ["", "", ...pathname.split("/").slice(1)];
    const folder = options.models[`${organisation}/${name}`];
    const fail = (status: number, code: string): void => void response.writeHead(status, { "x-error-code": code }).end();
    if (verb !== "resolve" || folder === undefined) return fail(404, "RepoNotFound");
    if (asked !== revision) return fail(404, "RevisionNotFound");
    const file = rest.map(decodeURIComponent).join("/");
    const full = path.join(folder, path.posix.normalize(`/${file}`));
    const size = await stat(full).then(
      (found) => (found.isFile() ? found.size : undefined),
      () => undefined,
    );
    if (size === undefined) return fail(404, "EntryNotFound");
    if (cdn !== "cdn" && (options.redirects ?? true)) {
      response.writeHead(302, { location: `/cdn${pathname}` }).end();
      return;
    }
    const match = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? "");
    const start = Number(match?.[1] ?? 0);
    const end = Math.min(size, match?.[2] === undefined ? size : Number(match[2]) + 1);
    if (start >= size) {
      response.writeHead(416).end();
      return;
    }
    response.writeHead(match ? 206 : 200, {
      "content-length": end - start,
      "content-type": "application/octet-stream",
      ...(match && { "content-range": `bytes ${start}-${end - 1}/${size}` }),
    });
    counted.requests.push({ file, start, end });
    const begun = performance.now();
    let sent = 0;
    for await (const chunk of createReadStream(full, { start, end: end - 1, highWaterMark: CHUNK_BYTES })) {
      const bytes = chunk as Buffer; // a stream without an encoding
      if (response.destroyed) return;
      await new Promise<void>((resolve) => response.write(bytes, () => resolve()));
      counted.sentBytes += bytes.byteLength;
      sent += bytes.byteLength;
      const dueMs = counted.rate > 0 ? (sent / counted.rate) * 1000 - (performance.now() - begun) : 0;
      if (dueMs > 1) await new Promise((resolve) => setTimeout(resolve, dueMs));
    }
    response.end();
  };

  const server = http.createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`; // listening on a port, so no pipe
  return {
    url,
    get sentBytes() {
      return counted.sentBytes;
    },
    get requests() {
      return counted.requests;
    },
    folderOf: (model) => `${url}${model}/resolve/${revision}/`,
    reset: () => {
      counted.sentBytes = 0;
      counted.requests.length = 0;
    },
    setRate: (bytesPerSecond) => {
      counted.rate = bytesPerSecond;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What hubs and their CDNs allow pages of other sites. */
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
