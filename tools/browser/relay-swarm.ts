// What benches and tests ask a relay: the address of its mesh, its volunteers, and the spans that are served.
import type { PeerId } from "../../src/shared/ids.ts";
import type { Relay } from "../../relay/relay.ts";

/**
 * Resolves with the multiaddr that the relay gives to pages: their security policy allows no other name of this
 * machine.
 */
export async function meshAddress({ url }: Pick<Relay, "url">): Promise<string> {
  const reply: unknown = await (await fetch(`${url}api/bootstrap`)).json();
  const { addrs } = reply as { readonly addrs: readonly [string] }; // from our own relay
  return addrs[0];
}

/** Returns the peers that compute tasks for others now. */
export const volunteersOf = ({ directory }: Pick<Relay, "directory">): readonly PeerId[] =>
  directory.swarm.peers.filter(({ tasks }) => tasks === true).map(({ peer }) => peer);

/** Returns the spans that are served now, as routes name them, sorted. */
export const spansOf = ({ directory }: Pick<Relay, "directory">): readonly string[] =>
  directory.swarm.peers.flatMap(({ serving }) => serving.map(({ start, end }) => `${start}-${end}`)).toSorted();
