// Writes into the state what a tab that has joined sees: the relay, the swarm, and what it served.
import type { RelayStatus } from "../mesh/ports/directory.ts";
import type { ModelId } from "../shared/ids.ts";
import type { SwarmPeer } from "./state.ts";
import type { Joined } from "./joined.ts";
import type { StateStore } from "./state-store.ts";
import { viewSwarm } from "./swarm-view.ts";

/** Shows all of it now, and again after every change for as long as the tab is joined. */
export function showJoined(joined: Joined, store: StateStore, relayName: string): void {
  const { mesh, directory, heldSpans, offers } = joined;
  store.update({ self: mesh.self, models: offers });
  showSwarm(joined, store);
  const onRelay = (status: RelayStatus): void =>
    store.update({ relay: { kind: status.kind, name: relayName, retryInMs: status.kind === "lost" ? status.retryInMs : undefined } });
  onRelay(directory.relay);
  directory.on("relay:changed", onRelay);
  directory.on("swarm:changed", () => showSwarm(joined, store));
  heldSpans.on("span:served", ({ positions }) => count(store, { tokens: positions }));
  heldSpans.on("frame:refused", () => count(store, { refusedFrames: 1 }));
  heldSpans.on("sessions:changed", ({ open }) => store.update({ served: { ...store.state.served, sessions: open } }, "counts"));
}

/** Makes the state name `model`, and shows its swarm. */
export function showModel(joined: Joined, store: StateStore, model: ModelId): void {
  store.update({ model: joined.offers.find((offer) => offer.id === model) });
  showSwarm(joined, store);
}

/** Shows the swarm of the model that the state names. */
function showSwarm({ mesh, directory, offers }: Joined, store: StateStore): void {
  const view = viewSwarm(mesh.self, directory.swarm, offers, store.state.model);
  const places = (peers: readonly SwarmPeer[]): string => JSON.stringify(peers.map(({ peer, span, serving }) => [peer, span, serving]));
  store.update(view, places(view.swarm) === places(store.state.swarm) ? "tallies" : "frame");
}

/** Adds to what this tab has served. */
function count(store: StateStore, more: { readonly tokens?: number; readonly refusedFrames?: number }): void {
  const { served } = store.state;
  const tokens = served.tokens + (more.tokens ?? 0);
  const refusedFrames = served.refusedFrames + (more.refusedFrames ?? 0);
  store.update({ served: { ...served, tokens, refusedFrames } }, "tallies");
}
