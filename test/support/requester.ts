// A page that asks for tasks: the dispatcher's real code over the real mesh, bundled for a tab.
import type { Relay } from "../../relay/relay.ts";
import { putInPages } from "../../tools/browser/bundle-page.ts";
import { meshAddress } from "../../tools/browser/relay-swarm.ts";
import type { Tab } from "../../tools/browser/tabs.ts";
import type * as TaskPage from "../../tools/browser/task-page.ts";

/** What `page.evaluate` sees. */
export type RequesterGlobal = typeof globalThis & { readonly requester: typeof TaskPage };

/** Makes a requester of a tab: in it the global `requester` is `tools/browser/task-page.ts`. Answers its peer id. */
export async function makeRequester({ page }: Tab, relay: Pick<Relay, "url">): Promise<string> {
  const address = await meshAddress(relay);
  await putInPages([page], new URL("../../tools/browser/task-page.ts", import.meta.url), "requester");
  return page.evaluate((to) => (globalThis as RequesterGlobal).requester.join(to), address);
}
