// A module of ours as a script that a page of a test or bench evaluates: the real code, without the page's own.
import { build } from "vite";

/** The script; evaluated, it leaves the module's exports in the global `name`. Throws where it cannot be bundled. */
export async function bundleForPage(entry: URL, name: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: { write: false, minify: false, lib: { entry: entry.pathname, formats: ["iife"], name } },
  });
  const [bundle] = Array.isArray(built) ? built : [built];
  if (bundle === undefined || !("output" in bundle)) throw new Error(`${entry.pathname} was not bundled`);
  return `${bundle.output[0].code}; globalThis.${name} = ${name};`;
}
