// Models in words: what the swarm does with one, how much of it this device can hold, and how an operator adds one.
import type { Device, ModelOffer, ModelStanding } from "../../node/face.ts";
import { layersThatFit } from "../../model/catalog.ts";
import { unpackedTimes } from "../../model/most-memory.ts";
import { formatBytes, formatCount, plural } from "../parts/format.ts";

/** Returns what the swarm does with a model now, in a few words for a list of choices. */
export function standingWords(standing: ModelStanding | undefined): string {
  if (standing === undefined || standing.peers === 0) return "nobody holds it now";
  if (standing.isServed) return `served now by ${plural(standing.peers, "tab")}`;
  return `${plural(standing.peers, "tab")}, ${plural(standing.missingLayers, "layer")} missing`;
}

/** Returns how much of a model this device can hold, as a sentence. */
export function fitWords(
  model: Pick<ModelOffer, "layerCount" | "layerBytes" | "edgeBytes" | "cacheBytes" | "dtype">,
  device: Device,
): string {
  const { layerCount, edgeBytes, cacheBytes } = model;
  // A graphics card runs packed weights as they are; elsewhere they are unpacked.
  const layerBytes = model.layerBytes * (device.gpuBufferBytes === undefined ? unpackedTimes(model.dtype) : 1);
  const layers = layersThatFit({ layerCount, layerBytes, edgeBytes, cacheBytesPerLayer: cacheBytes / layerCount }, device);
  if (layers === 0) return "Too large for this device, even one layer at a time.";
  if (layers === layerCount) return layerCount === 1 ? "This device can hold it." : `This device can hold all ${layerCount} layers.`;
  return `This device can hold about ${layers} of ${layerCount} layers.`;
}

/** Returns size, number type, layers, context and licence, as the list shows them. */
export function factsWords({ sizeBytes, dtype, layerCount, contextLength, licence }: ModelOffer): string {
  return `${formatBytes(sizeBytes)} as ${dtype}, ${plural(layerCount, "layer")}, reads ${formatCount(contextLength)} tokens, licence ${licence}`;
}

/** Whether `text` is a hub id that the command line takes. */
export const isHubId = (text: string): boolean => /^[\w.-]+\/[\w.-]+$/.test(text);

/** Returns the hub id in a typed text: the id itself, or the address of its page. Undefined if there is none. */
export function readHubId(typed: string): string | undefined {
  const text = typed.trim().replace(/^https?:\/\/[^/]+\//, "");
  const id = text.split("/").slice(0, 2).join("/");
  return isHubId(id) ? id : undefined;
}

/** Returns the command with which the relay's operator adds a model. */
export const addCommand = (id: string, file?: string): string => `npm run model -- add ${id}${file === undefined ? "" : ` --file ${file}`}`;

/** Reads what the browser says of this device. The graphics card is asked only if `gpu` is given. */
export async function readDevice(
  scope: { readonly deviceMemory?: number },
  gpu?: { requestAdapter(): Promise<{ readonly limits: { readonly maxBufferSize: number } } | null> },
): Promise<Device> {
  const adapter = await gpu?.requestAdapter().catch(() => null); // refused: as if there were none
  return {
    memoryBytes: scope.deviceMemory === undefined ? undefined : scope.deviceMemory * 1024 ** 3,
    gpuBufferBytes: adapter?.limits.maxBufferSize,
  };
}
