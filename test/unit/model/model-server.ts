// A real HTTP server over byte arrays, with the faults that servers and networks have.
import { systemClock } from "../../../src/shared/clock.ts";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { HTTP_DEFAULTS, type HttpOptions } from "../../../src/model/tiles/http-fetch.ts";

export interface Served {
  readonly path: string;
  readonly range: string | undefined;
}

export interface ModelServer {
  /** URL with a slash at the end. */
  readonly baseUrl: string;
  /** Files by path. Tests change them. */
  readonly files: Map<string, Uint8Array>;
  /** Whether the server understands ranges. */
  ranges: boolean;
  /** Sent with a fault: Retry-After, and a hub's code for what is missing. */
  retryAfter: string | undefined;
  errorCode: string | undefined;
  /** Bytes after which the next bodies break off, one number for each body. */
  readonly breakAfter: number[];
  /** Statuses to reply with before anything else, one for each request. 0 breaks the connection. */
  readonly faults: number[];
  readonly requests: Served[];
  close(): Promise<void>;
}

export async function startModelServer(): Promise<ModelServer> {
  const files = new Map<string, Uint8Array>();
  const faults: number[] = [];
  const requests: Served[] = [];
  const breakAfter: number[] = [];
  const settings = { ranges: true, retryAfter: undefined as string | undefined, errorCode: undefined as string | undefined };
  const server = http.createServer((request, response) => {
    const path = (request.url ?? "/").slice(1);
    const { range } = request.headers;
    requests.push({ path, range });
    const fault = faults.shift();
    if (fault === 0) {
      response.destroy();
      return;
    }
    const file = files.get(path);
    if (fault !== undefined || file === undefined) {
      if (settings.retryAfter !== undefined) response.setHeader("retry-after", settings.retryAfter);
      if (settings.errorCode !== undefined) response.setHeader("x-error-code", settings.errorCode);
      response.writeHead(fault ?? 404).end();
      return;
    }
    const bounds = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
    if (!settings.ranges || bounds === null) {
      response.writeHead(200).end(file);
      return;
    }
    const start = Number(bounds[1]);
    if (start >= file.length) response.writeHead(416).end();
    else send(response, file.subarray(start, Number(bounds[2]) + 1));
  });
  const send = (response: http.ServerResponse, body: Uint8Array): void => {
    const after = breakAfter.shift();
    response.writeHead(206, { "content-length": body.byteLength });
    if (after === undefined) response.end(body);
    else response.write(body.subarray(0, after), () => setTimeout(() => response.destroy(), 50));
  };
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return Object.assign(settings, {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, // listening on a port, so no pipe
    files,
    faults,
    breakAfter,
    requests,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

/**
 * The platform's fetch, no jitter, and a clock that notes each pause and jumps over it.
 * Only waits for a server take real time.
 */
export function testHttp(): HttpOptions & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    pauses,
    fetch: (url, init) => fetch(url, init),
    random: () => 0.5,
    clock: {
      now: () => pauses.reduce((sum, ms) => sum + ms, 0),
      sleep: (ms, signal) => {
        signal?.throwIfAborted();
        if (ms === HTTP_DEFAULTS.stallMs) return systemClock.sleep(ms, signal);
        pauses.push(ms);
        return Promise.resolve();
      },
    },
  };
}
