// What benches and tests ask a relay: where its mesh is called, and who takes tasks.
import type { PeerId } from "../../src/shared/ids.ts";
import type { Relay } from "../../relay/relay.ts";

/** A multiaddr, as pages are told it: their security policy allows no other name of this machine. */
export async function meshAddress({ url }: Pick<Relay, "url">): Promise<string> {
  const { addrs } = (await (await fetch(`${url}api/bootstrap`)).json()) as { readonly addrs: readonly [string] }; // our own relay's answer
  return addrs[0];
}

/** Peers that take tasks of others now. */
export const takersOf = ({ directory }: Pick<Relay, "directory">): readonly PeerId[] =>
  directory.swarm.peers.filter(({ tasks }) => tasks === true).map(({ peer }) => peer);

/** Spans that are served now, as routes name them, in order. */
export const spansOf = ({ directory }: Pick<Relay, "directory">): readonly string[] =>
  directory.swarm.peers.flatMap(({ serving }) => serving.map(({ start, end }) => `${start}-${end}`)).toSorted();
