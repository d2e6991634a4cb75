// Models in words: what the swarm does with one, and what this device can hold of it. Pure.
import type { Device, ModelOffer, ModelStanding } from "../../node/face.ts";
import { layersThatFit } from "../../model/catalog.ts";
import { unpackedTimes } from "../../model/most-memory.ts";
import { formatBytes, formatCount, plural } from "../parts/format.ts";

/** What the swarm does with a model now, in a few words for a list of choices. */
export function standingWords(standing: ModelStanding | undefined): string {
  if (standing === undefined || standing.peers === 0) return "nobody holds it now";
  if (standing.isServed) return `served now by ${plural(standing.peers, "tab")}`;
  return `${plural(standing.peers, "tab")}, ${plural(standing.missingLayers, "layer")} missing`;
}

/** What this device can hold, as a sentence. */
export function fitWords(
  model: Pick<ModelOffer, "layerCount" | "layerBytes" | "edgeBytes" | "cacheBytes" | "dtype">,
  device: Device,
): string {
  const { layerCount, edgeBytes, cacheBytes } = model;
  // A graphics card runs packed weights as they come.
  const layerBytes = model.layerBytes * (device.gpuBufferBytes === undefined ? unpackedTimes(model.dtype) : 1);
  const layers = layersThatFit({ layerCount, layerBytes, edgeBytes, cacheBytesPerLayer: cacheBytes / layerCount }, device);
  if (layers === 0) return "Too large for this device, one layer at a time too.";
  if (layers === layerCount) return layerCount === 1 ? "This device can hold it." : `This device can hold all ${layerCount} layers.`;
  return `This device can hold about ${layers} of ${layerCount} layers.`;
}

/** Size, form, context and licence, as the list shows them. */
export function factsWords({ sizeBytes, dtype, layerCount, contextLength, licence }: ModelOffer): string {
  return `${formatBytes(sizeBytes)} as ${dtype}, ${plural(layerCount, "layer")}, reads ${formatCount(contextLength)} tokens, licence ${licence}`;
}

/** What a command line takes as a hub id. */
export const isHubId = (text: string): boolean => /^[\w.-]+\/[\w.-]+$/.test(text);

/** A hub id in what a person typed or pasted: the id itself, or the address of its page. */
export function readHubId(typed: string): string | undefined {
  const text = typed.trim().replace(/^https?:\/\/[^/]+\//, "");
  const id = text.split("/").slice(0, 2).join("/");
  return isHubId(id) ? id : undefined;
}

/** The command by which whoever runs the relay adds a model. */
export const addCommand = (id: string, file?: string): string => `npm run model -- add ${id}${file === undefined ? "" : ` --file ${file}`}`;

/** Reads what the browser tells of this device. The graphics card is asked only where `gpu` is given. */
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
