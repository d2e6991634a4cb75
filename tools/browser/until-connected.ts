// Runs in a page of a test or bench: waits until the relay knows this peer.
import type { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";

/** Milliseconds for the relay to reply. */
export const JOIN_MS = 15_000;

/** Resolves once the relay knows this peer. Throws if it does not reply within JOIN_MS. */
export function untilConnected(mesh: Pick<Libp2pMesh, "relay" | "on">): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("the relay did not reply")), JOIN_MS);
    const look = (): void => {
      if (mesh.relay.kind === "connected") resolve();
    };
    mesh.on("relay:changed", look);
    look();
  });
}
