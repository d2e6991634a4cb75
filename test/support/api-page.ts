// The public API in a real tab: a page of the relay imports it as /manyhands.js, and keeps its node in a global.
import type * as Manyhands from "../../src/manyhands.ts";
import type { Tab } from "../../tools/browser/tabs.ts";

export type ApiGlobal = typeof globalThis & { node: Manyhands.JoinedNode };

/** Joins from this tab's page, as a program in the page does. Resolves with the peer id. */
export function joinFrom({ page }: Tab): Promise<string> {
  return page.evaluate(async () => {
    const address = "/manyhands.js"; // a variable, so that the address is resolved in the page and not here
    const { join } = (await import(address)) as typeof Manyhands;
    const node = await join();
    (globalThis as unknown as ApiGlobal).node = node;
    return node.self;
  });
}
