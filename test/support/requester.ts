// A page that asks for tasks: the dispatcher's real code over the real mesh, bundled for a tab.
import { bundleForPage } from "../../tools/browser/bundle-page.ts";
import type { Tab } from "../../tools/browser/tabs.ts";
import type * as TaskPage from "../../tools/browser/task-page.ts";

/** What `page.evaluate` sees. */
export type RequesterGlobal = typeof globalThis & { readonly requester: typeof TaskPage };

/** Makes a requester of a tab: in it the global `requester` is `tools/browser/task-page.ts`. Answers its peer id. */
export async function makeRequester({ page }: Tab, relayUrl: string): Promise<string> {
  const address = await relayAddress(relayUrl);
  // A script that is evaluated from outside is not held back by the page's content security policy.
  await page.evaluate(await bundleForPage(new URL("../../tools/browser/task-page.ts", import.meta.url), "requester"));
  return page.evaluate((to) => (globalThis as RequesterGlobal).requester.join(to), address);
}

/** Where the mesh of a relay is called. */
export async function relayAddress(relayUrl: string): Promise<string> {
  const bootstrap = (await (await fetch(`${relayUrl}api/bootstrap`)).json()) as { readonly addrs: readonly [string] };
  return bootstrap.addrs[0];
}
