// A peer that breaks the protocol: a page with a real libp2p node, which sends the bytes that a test wants.
import { putInPages } from "../../../tools/browser/bundle-page.ts";
import type { Tab } from "../../../tools/browser/tabs.ts";
import type * as VillainPage from "./villain-page.ts";

export interface Villain {
  readonly peer: string;
  /** Sends link records to a peer over a new stream of `protocol`. Resolves when that peer has ended the stream. */
  attack(peer: string, protocol: string, records: readonly Uint8Array[]): Promise<void>;
}

/** Turns a tab into a villain: it gets the real code of a node, bundled, without the rules that the page keeps. */
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
