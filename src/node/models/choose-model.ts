// Chooses the model of a prompt or a lender, once the relay has had a moment to say what the swarm does.
import type { Directory } from "../../mesh/ports/directory.ts";
import type { PeerRecord } from "../../protocol/directory-frames.ts";
import type { ModelPick } from "../../route/plan-model.ts";
import type { Clock } from "../../shared/clock.ts";
import type { ModelId } from "../../shared/ids.ts";
import type { SpanLoader } from "../spans/lender.ts";

const DEFAULTS = Object.freeze({
  /**
   * Milliseconds to wait until the relay has said which peers are there; after that a model is chosen without knowing.
   */
  swarmMs: 3_000,
});

/** Returns what `pick` picks. Waits only if there are several models and no wish. Throws the signal's reason. */
export async function chooseModel(
  { directory, offers }: { readonly directory: Pick<Directory, "swarm" | "on">; readonly offers: readonly unknown[] },
  wish: ModelId | undefined,
  pick: (peers: readonly PeerRecord[]) => ModelPick | undefined,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ModelPick | undefined> {
  if (offers.length > 1 && wish === undefined && directory.swarm.revision < 0) {
    const known = new AbortController();
    const stop = directory.on("swarm:changed", () => known.abort());
    try {
      await clock.sleep(DEFAULTS.swarmMs, AbortSignal.any([signal, known.signal]));
    } catch {
      signal.throwIfAborted();
    } finally {
      stop();
    }
  }
  return pick(directory.swarm.peers);
}

/** Whether this device can hold any layer of the model. */
export function fitsHere(model: SpanLoader): boolean {
  const layers = Array.from({ length: model.layerCount }, (_, layer) => ({ start: layer, end: layer + 1 }));
  return !model.fit || layers.some((layer) => model.fit?.(layer) !== undefined);
}
