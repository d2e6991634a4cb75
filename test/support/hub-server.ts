// A model hub on this machine: the hub's paths, redirects and error codes, and the faults that a network has.
import http from "node:http";
import type { AddressInfo } from "node:net";

/** The commit that the hub names for `main`. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export interface HubServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** `organisation/name/path` to bytes. */
  readonly files: Map<string, Uint8Array>;
  /** Bytes after which the next answers break off, one for each. */
  readonly breaks: number[];
  /** Paths that were asked for, and the range. */
  readonly requests: string[];
  /** Whether the API that lists files answers. */
  hasListing: boolean;
  close(): Promise<void>;
}

export async function startHub(): Promise<HubServer> {
  const files = new Map<string, Uint8Array>();
  const state = { hasListing: true };
  const breaks: number[] = [];
  const requests: string[] = [];
  const no = (response: http.ServerResponse, status: number, code?: string): void => {
    response.writeHead(status, code === undefined ? {} : { "x-error-code": code }).end("no");
  };
  const server = http.createServer((request, response) => {
    const parts = decodeURIComponent((request.url ?? "/").slice(1)).split("/");
    response.setHeader("access-control-allow-origin", "*");
    requests.push([parts.join("/"), request.headers.range].filter((part) => part !== undefined).join(" "));
    if (parts[0] === "api") {
      const repository = parts.slice(2, 4).join("/");
      const siblings = [...files.keys()].filter((name) => name.startsWith(`${repository}/`));
      if (state.hasListing && siblings.length > 0 && parts[5] !== "main") return no(response, 404, "RevisionNotFound");
      if (!state.hasListing || siblings.length === 0)
        return no(response, state.hasListing ? 401 : 404, state.hasListing ? "RepoNotFound" : undefined);
      return void response.end(
        JSON.stringify({ sha: COMMIT, siblings: siblings.map((name) => ({ rfilename: name.slice(repository.length + 1) })) }),
      );
    }
    if (parts[0] === "cdn") return sendFile(parts.slice(1).join("/"), request, response);
    const [organisation, name, , revision, ...rest] = parts;
    if (![...files.keys()].some((file) => file.startsWith(`${organisation}/${name}/`))) return no(response, 401, "RepoNotFound");
    if (revision !== "main" && revision !== COMMIT) return no(response, 404, "RevisionNotFound");
    const file = `${organisation}/${name}/${rest.join("/")}`;
    if (!files.has(file)) return no(response, 404, "EntryNotFound");
    // Large files lie on another server.
    if (file.includes(".onnx")) return void response.writeHead(302, { location: `/cdn/${file}`, "x-repo-commit": COMMIT }).end();
    return sendFile(file, request, response);
  });
  const sendFile = (name: string, request: http.IncomingMessage, response: http.ServerResponse): void => {
    const file = files.get(name) ?? new Uint8Array();
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const rest = file.subarray(Number(from), to === "" ? undefined : Number(to) + 1);
    response.writeHead(request.headers.range === undefined ? 200 : 206, { "content-length": rest.byteLength });
    const after = breaks.shift();
    if (after === undefined) response.end(rest);
    else response.write(rest.subarray(0, after), () => response.destroy());
  };
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listening on a port, so no pipe
    files,
    breaks,
    requests,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
