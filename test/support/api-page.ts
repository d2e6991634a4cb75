// The public API in a real tab: what a page of the relay imports as /manyhands.js, left in a global of that page.
import type * as Manyhands from "../../src/manyhands.ts";
import type { Tab } from "../../tools/browser/tabs.ts";

export type ApiGlobal = typeof globalThis & { node: Manyhands.JoinedNode };

/** Joins from this tab's page, as a program in it does. Answers its peer id. */
export function joinFrom({ page }: Tab): Promise<string> {
  return page.evaluate(async () => {
    const address = "/manyhands.js"; // not this test's to resolve
    const { join } = (await import(address)) as typeof Manyhands;
    const node = await join();
    (globalThis as unknown as ApiGlobal).node = node;
    return node.self;
  });
}
