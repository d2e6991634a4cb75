// Which model a prompt or a lender gets, once the relay had a moment to tell what the swarm does; and whether one fits here at all.
import type { ModelPick } from "../../route/plan-model.ts";
import type { Clock } from "../../shared/clock.ts";
import type { ModelId } from "../../shared/ids.ts";
import type { Joined } from "../joined.ts";
import type { SpanLoader } from "../spans/lender.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds to wait for the relay to tell who is there before a model is chosen without knowing. */
  swarmMs: 3_000,
});

/** Waits only where there is a choice and no wish. Throws the signal's reason. */
export async function chooseModel(
  { directory, offers }: Pick<Joined, "directory" | "offers">,
  wish: ModelId | undefined,
  pick: (peers: Joined["directory"]["swarm"]["peers"]) => ModelPick | undefined,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ModelPick | undefined> {
  if (offers.length > 1 && wish === undefined && directory.swarm.revision < 0) {
    const told = new AbortController();
    const stop = directory.on("swarm:changed", () => told.abort());
    await clock.sleep(DEFAULTS.swarmMs, AbortSignal.any([signal, told.signal])).catch(() => signal.throwIfAborted());
    stop();
  }
  return pick(directory.swarm.peers);
}

/** Whether this device can hold any layer of the model. */
export function fitsHere(model: SpanLoader): boolean {
  const layers = Array.from({ length: model.layerCount }, (_, layer) => ({ start: layer, end: layer + 1 }));
  return !model.fit || layers.some((layer) => model.fit?.(layer) !== undefined);
}
