// Fetches the small files of a model by its id: manifest, graph and tokenizer. Each is
// checked against its hash before it is read.
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId } from "../shared/ids.ts";
import { type HttpOptions, httpGet } from "./tiles/http-fetch.ts";
import { decodeManifest, type Manifest, MANIFEST_FILE, MANIFEST_MAX_BYTES, manifestId, type WholeFile } from "./tiles/manifest.ts";
import { hasSha256 } from "./tiles/sha256.ts";

export interface ModelLocation extends HttpOptions {
  /** URL of the model's folder, ending in a slash. */
  readonly baseUrl: string;
}

/**
 * Resolves with the manifest that `model` names. Throws MODEL_CORRUPT if the server has another one, MODEL_UNAVAILABLE
 * if it cannot be fetched, or the signal's reason.
 */
export async function fetchManifest(location: ModelLocation, model: ModelId, signal: AbortSignal): Promise<Manifest> {
  const bytes = await fetchWhole(location, MANIFEST_FILE, MANIFEST_MAX_BYTES, signal);
  if ((await manifestId(bytes)) !== model)
    throw new ManyhandsError(
      "MODEL_CORRUPT",
      "the manifest on the server is not the one that names this model (it is cut short, changed, or of another version)",
    );
  return decodeManifest(bytes);
}

/** Files that a tab needs before any weights. */
export interface ModelFiles {
  /** ONNX graph without weights. */
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly tokenizer: Uint8Array<ArrayBuffer> | undefined;
  readonly tokenizerConfig: Uint8Array<ArrayBuffer> | undefined;
}

/** Fetches and verifies graph and tokenizer. Throws as fetchManifest does. */
export async function fetchModelFiles(location: ModelLocation, manifest: Manifest, signal: AbortSignal): Promise<ModelFiles> {
  const optional = async (file: WholeFile | null): Promise<Uint8Array<ArrayBuffer> | undefined> =>
    file === null ? undefined : fetchVerified(location, file, signal);
  const [graph, tokenizer, tokenizerConfig] = await Promise.all([
    fetchVerified(location, manifest.graph, signal),
    optional(manifest.tokenizer),
    optional(manifest.tokenizerConfig),
  ]);
  return { graph, tokenizer, tokenizerConfig };
}

async function fetchVerified(location: ModelLocation, file: WholeFile, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await fetchWhole(location, file.path, file.size, signal);
  if (bytes.byteLength < file.size)
    throw new ManyhandsError("MODEL_CORRUPT", `"${file.path}" is cut short: ${bytes.byteLength} of ${file.size} bytes`);
  if (bytes.byteLength !== file.size || !(await hasSha256(bytes, file.sha256))) {
    throw new ManyhandsError("MODEL_CORRUPT", `"${file.path}" does not match its SHA-256`);
  }
  return bytes;
}

async function fetchWhole(location: ModelLocation, path: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const { status, bytes } = await httpGet(location, new URL(path, location.baseUrl).href, maxBytes, signal);
  if (status !== 200) throw new ManyhandsError("MODEL_UNAVAILABLE", `the server replied ${status} for "${path}"`);
  return bytes;
}
