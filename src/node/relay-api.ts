// The relay's HTTP interface, as the node uses it: it says where the mesh is, and which models the relay serves.
import * as v from "valibot";
import { LIMITS, PROTOCOL_VERSION } from "../protocol/version.ts";
import { ManyhandsError, errorMessage } from "../shared/errors.ts";
import { asModelId } from "../shared/ids.ts";

const natural = v.pipe(v.number(), v.integer(), v.minValue(0));
const Summary = v.object({
  name: v.string(),
  layerCount: v.pipe(natural, v.minValue(1), v.maxValue(LIMITS.layers)),
  contextLength: natural,
  sizeBytes: natural,
  licence: v.string(),
  dtype: v.string(),
  chat: v.boolean(),
  layerBytes: natural,
  edgeBytes: natural,
  cacheBytes: natural,
});

const Bootstrap = v.object({
  protocolVersion: v.number(),
  name: v.string(),
  peerId: v.string(),
  addrs: v.array(v.string()),
  /** `stun:` and `turn:` URLs that the operator offers. */
  iceServers: v.array(v.string()),
  /** The operator's list, the best first. */
  models: v.array(v.object({ id: v.pipe(v.string(), v.transform(asModelId)), manifest: v.string(), summary: Summary })),
});
export type Bootstrap = v.InferOutput<typeof Bootstrap>;
/** One model of the operator's list. */
export type OfferedModel = Bootstrap["models"][number];

/** Asks the relay where to join. Throws RELAY_UNREACHABLE or the signal's reason. */
export async function fetchBootstrap(origin: string, signal: AbortSignal): Promise<Bootstrap> {
  let body: unknown;
  try {
    const response = await fetch(new URL("/api/bootstrap", origin), { signal, cache: "no-store" });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    body = await response.json();
  } catch (cause) {
    signal.throwIfAborted();
    throw new ManyhandsError(
      "RELAY_UNREACHABLE",
      `The relay at ${origin} does not answer (${errorMessage(cause)}). Check your connection; this page keeps trying.`,
      { cause },
    );
  }
  const read = v.safeParse(Bootstrap, body);
  if (!read.success)
    throw new ManyhandsError(
      "RELAY_UNREACHABLE",
      `The relay at ${origin} answers with something that this page cannot read. Reload the page.`,
    );
  if (read.output.protocolVersion !== PROTOCOL_VERSION) {
    throw new ManyhandsError(
      "RELAY_UNREACHABLE",
      `The relay at ${origin} speaks version ${read.output.protocolVersion} of the protocol, this page version ${PROTOCOL_VERSION}. Reload the page.`,
    );
  }
  return read.output;
}
