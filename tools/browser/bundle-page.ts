// Puts a module of this project into a page of a test or bench: the real code, without that of the built page.
import type { Page } from "playwright-core";
import { build } from "vite";

/** Leaves the exports of a module in the global `name` of each page. Throws if it cannot be bundled. */
export async function putInPages(pages: readonly Pick<Page, "evaluate">[], entry: URL, name: string): Promise<void> {
  const script = await bundle(entry, name);
  // The page's content security policy does not stop a script that is evaluated from outside.
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
