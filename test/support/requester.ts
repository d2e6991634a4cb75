// A page that has jobs computed: the real dispatcher over the real mesh, bundled for a tab.
import type { Relay } from "../../relay/relay.ts";
import { putInPages } from "../../tools/browser/bundle-page.ts";
import { meshAddress } from "../../tools/browser/relay-swarm.ts";
import type { Tab } from "../../tools/browser/tabs.ts";
import type * as TaskPage from "../../tools/browser/task-page.ts";

/** The global that functions given to `page.evaluate` see. */
export type RequesterGlobal = typeof globalThis & { readonly requester: typeof TaskPage };

/** Turns a tab into a requester: its global `requester` is `tools/browser/task-page.ts`. Resolves with its peer id. */
export async function makeRequester({ page }: Tab, relay: Pick<Relay, "url">): Promise<string> {
  const address = await meshAddress(relay);
  await putInPages([page], new URL("../../tools/browser/task-page.ts", import.meta.url), "requester");
  return page.evaluate((to) => (globalThis as RequesterGlobal).requester.join(to), address);
}
