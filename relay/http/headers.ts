// Response headers by path: what pages may do, who may embed what, how long things may be kept.

export const DEFAULTS = Object.freeze({
  /** Seconds that a file with a hash in its name may be kept: its content never changes. */
  assetMaxAge: 31_536_000,
  /** Seconds that a model's file may be kept: tabs check every byte against the manifest anyway. */
  modelMaxAge: 86_400,
});

/** The one page that other origins may frame. */
const WIDGET_PAGE = "/widget.html";
/** The page around strangers' programs: no origin, a worker from a blob, no network. It says the same of itself, for servers that do not. */
const SANDBOX_PAGE = "/sandbox.html";
const SANDBOX_POLICY =
  "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'";
/** What other origins may fetch: the embedding script, the entry for programs, models, the API, and the assets that the script loads. */
const SHARED = /^\/(models\/|api\/|assets\/|(widget|manyhands)\.js$|healthz$)/;
const HASHED_ASSET = /^\/assets\/.+[-.][\w-]{8,}\.\w+(\.map)?$/;

/** A public model hub and the hosts that it sends clients on to: where models that people bring lie. */
const HUBS = "https://huggingface.co https://*.huggingface.co https://*.hf.co";

/**
 * Scripts, workers, styles and connections from this origin alone; WebAssembly may compile, workers and images may come
 * from blobs; tiles, checked by their hash, also come from hubs and from where the relay's models say. `'self'` covers the relay's WebSocket in today's browsers; `host` says it for those that need it spelt out.
 */
function contentSecurityPolicy(path: string, host: string, origins: readonly string[]): string {
  if (path === SANDBOX_PAGE) return SANDBOX_POLICY;
  const sockets = /^[\w.\-:[\]]+$/.test(host) ? ` ws://${host} wss://${host}` : "";
  return [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval' blob:",
    "worker-src 'self' blob:",
    `connect-src ${["'self' blob: data:", HUBS, ...origins].join(" ")}${sockets}`,
    "img-src 'self' data: blob:",
    "style-src 'self' 'unsafe-inline'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${path === WIDGET_PAGE ? "*" : "'none'"}`,
  ].join("; ");
}

/**
 * Headers for a request of `path` (no query) that came to `host` (the Host header). `origins`: where the weights of the
 * relay's models lie, beside the relay itself.
 */
export function headersFor(path: string, host: string, origins: readonly string[] = []): Readonly<Record<string, string>> {
  const shared = SHARED.test(path);
  return {
    "content-security-policy": contentSecurityPolicy(path, host, origins),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": shared ? "cross-origin" : "same-origin",
    "cache-control": cacheControl(path),
    ...(shared
      ? { "access-control-allow-origin": "*", "access-control-expose-headers": "content-length, content-range, accept-ranges, etag" }
      : {}),
  };
}

/** Whether a preflight for `path` is answered with a yes. */
export const isShared = (path: string): boolean => SHARED.test(path);

function cacheControl(path: string): string {
  if (HASHED_ASSET.test(path)) return `public, max-age=${DEFAULTS.assetMaxAge}, immutable`;
  // Not transformed: a proxy that compresses a model breaks byte ranges.
  if (path.startsWith("/models/") && !path.endsWith("/manifest.cbor")) return `public, max-age=${DEFAULTS.modelMaxAge}, no-transform`;
  return "no-cache";
}
