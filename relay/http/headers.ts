// Response headers by path: what a page may do, which other sites may use a file, and how long a browser may keep it.

const DEFAULTS = Object.freeze({
  /** Seconds that a browser may keep a file with a hash in its name: its content never changes. */
  assetMaxAge: 31_536_000,
  /** Seconds that a browser may keep a file of a model. Tabs check every byte against the manifest anyway. */
  modelMaxAge: 86_400,
});

/** The one page that other origins may frame. */
const WIDGET_PAGE = "/widget.html";
/**
 * The page around strangers' programs: it has no origin and no network, and makes a worker from a blob. Its own HTML
 * has the same policy, for servers that do not send it.
 */
const SANDBOX_PAGE = "/sandbox.html";
const SANDBOX_POLICY =
  "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'";
/**
 * Other origins may fetch the embedding script, the entry for programs, models, the API, and the assets of the script.
 */
const SHARED = /^\/(models\/|api\/|assets\/|(widget|manyhands)\.js$|healthz$)/;
const HASHED_ASSET = /^\/assets\/.+[-.][\w-]{8,}\.\w+(\.map)?$/;

/** A public model hub, and the hosts to which it redirects: models that people bring come from there. */
const HUBS = "https://huggingface.co https://*.huggingface.co https://*.hf.co";

/**
 * Scripts, workers, styles and connections come from this origin alone. WebAssembly may compile. Workers and images may
 * come from blobs. Tiles, which are checked by their hash, may also come from hubs and from the origins of the relay's
 * models. In today's browsers `'self'` covers the relay's WebSocket; for older ones the policy spells it out with
 * `host`.
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
 * Returns the headers for a request for `path` (without its query) at `host` (the Host header). `origins`: further
 * origins of the weights of the relay's models.
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

/** Whether other origins may fetch `path`: a preflight request for it gets a yes. */
export const isShared = (path: string): boolean => SHARED.test(path);

function cacheControl(path: string): string {
  if (HASHED_ASSET.test(path)) return `public, max-age=${DEFAULTS.assetMaxAge}, immutable`;
  // `no-transform`, because a proxy that compressed a model would break byte ranges.
  if (path.startsWith("/models/") && !path.endsWith("/manifest.cbor")) return `public, max-age=${DEFAULTS.modelMaxAge}, no-transform`;
  return "no-cache";
}
