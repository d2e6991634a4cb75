// A peer that breaks the protocol: a page with a real libp2p node, told by the test which bytes to send.
import { putInPages } from "../../tools/browser/bundle-page.ts";
import type { Tab } from "../../tools/browser/tabs.ts";
import type * as VillainPage from "./villain-page.ts";

export interface Villain {
  readonly peer: string;
  /** Sends link records to a peer on a stream of `protocol` of their own; resolves when that peer has ended the stream. */
  attack(peer: string, protocol: string, records: readonly Uint8Array[]): Promise<void>;
}

/** Makes a villain of a tab: the node's real code, bundled for it, without the page's manners. */
export async function makeVillain({ page }: Tab, relayAddress: string): Promise<Villain> {
  await putInPages([page], new URL("villain-page.ts", import.meta.url), "villain");
  type Global = typeof globalThis & { readonly villain: typeof VillainPage };
  const peer = await page.evaluate((address) => (globalThis as Global).villain.join(address), relayAddress);
  return {
    peer,
    attack: (target, protocol, records) =>
      page.evaluate(([to, what, bytes]) => (globalThis as Global).villain.attack(to, what, bytes), [
        target,
        protocol,
        records.map((record) => [...record]),
      ] as const),
  };
}
