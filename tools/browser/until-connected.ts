// Runs in a page of a test or bench: waits until the relay knows this peer.
import type { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";

/** Milliseconds to join. */
export const JOIN_MS = 15_000;

/** Throws where the relay does not answer. */
export function untilConnected(mesh: Pick<Libp2pMesh, "relay" | "on">): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("the relay did not answer")), JOIN_MS);
    const look = (): void => {
      if (mesh.relay.kind === "connected") resolve();
    };
    mesh.on("relay:changed", look);
    look();
  });
}
