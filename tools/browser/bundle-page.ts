// A module of ours in a page of a test or bench: the real code, without the page's own.
import type { Page } from "playwright-core";
import { build } from "vite";

/** Leaves the exports of a module in the global `name` of each of the pages. Throws where it cannot be bundled. */
export async function putInPages(pages: readonly Pick<Page, "evaluate">[], entry: URL, name: string): Promise<void> {
  const script = await bundle(entry, name);
  // A script that is evaluated from outside is not held back by the page's content security policy.
  for (const page of pages) await page.evaluate(script);
}

async function bundle(entry: URL, name: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: { write: false, minify: false, lib: { entry: entry.pathname, formats: ["iife"], name } },
  });
  const [made] = Array.isArray(built) ? built : [built];
  if (made === undefined || !("output" in made)) throw new Error(`${entry.pathname} was not bundled`);
  return `${made.output[0].code}; globalThis.${name} = ${name};`;
}
