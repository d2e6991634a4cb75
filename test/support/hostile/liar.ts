// A volunteer that lies on demand: the real code in a tab, with a runner that alters the outputs.
import { putInPages } from "../../../tools/browser/bundle-page.ts";
import type { Tab } from "../../../tools/browser/tabs.ts";
import type * as LiarPage from "./liar-page.ts";

export interface Liar {
  readonly peer: string;
  lie(on: boolean): Promise<void>;
}

export async function makeLiar({ page }: Tab, relayAddress: string): Promise<Liar> {
  await putInPages([page], new URL("liar-page.ts", import.meta.url), "liar");
  type Global = typeof globalThis & { readonly liar: typeof LiarPage };
  const peer = await page.evaluate((address) => (globalThis as Global).liar.join(address), relayAddress);
  return { peer, lie: (on) => page.evaluate((lies) => (globalThis as Global).liar.lie(lies), on) };
}
