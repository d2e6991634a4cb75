// Which files of dist a browser loads to show a page, before anyone clicked: the document, its styles, and its scripts
// with all that they import statically. Dynamic imports and workers come later, by a person's choice.
import fs from "node:fs";
import path from "node:path";
import { parseAst } from "vite";

/** Attributes of the tags in a built page that make the browser fetch something at once. */
const LINK = /<link\b[^>]*\brel="(?:stylesheet|modulepreload|preload|icon|manifest)"[^>]*>/g;
const SCRIPT = /<script\b[^>]*\bsrc="([^"]+)"[^>]*>/g;
const HREF = /\bhref="([^"]+)"/;
const STYLE_URL = /url\(\s*["']?([^"')]+)["']?\s*\)|@import\s+["']([^"']+)["']/g;

/** Addresses of the site itself; data and other origins are not files of ours. */
const isOurs = (address: string): boolean => !/^([a-z][a-z0-9+.-]*:|\/\/|#)/i.test(address);

function resolve(dist: string, from: string, address: string): string {
  const bare = address.replace(/[?#].*$/, "");
  return bare.startsWith("/") ? path.join(dist, bare) : path.resolve(path.dirname(from), bare);
}

function referencesOf(file: string): string[] {
  const text = fs.readFileSync(file, "utf8");
  switch (path.extname(file)) {
    case ".html": {
      const links = [...text.matchAll(LINK)].flatMap(([tag]) => HREF.exec(tag)?.[1] ?? []);
      return [...links, ...[...text.matchAll(SCRIPT)].flatMap((match) => match[1] ?? [])];
    }
    case ".css":
      return [...text.matchAll(STYLE_URL)].flatMap((match) => match[1] ?? match[2] ?? []);
    case ".js":
    case ".mjs":
      return parseAst(text).body.flatMap((node) => {
        const imports = node.type === "ImportDeclaration" || node.type === "ExportNamedDeclaration" || node.type === "ExportAllDeclaration";
        return imports && node.source ? [node.source.value] : [];
      });
    default:
      return [];
  }
}

/**
 * Files that loading `entries` (names within `dist`) makes a browser fetch, entries first. Throws where one is missing,
 * because a budget on nothing always holds.
 */
export function filesBeforeConsent(dist: string, entries: readonly string[]): string[] {
  const found = new Set<string>();
  const queue = entries.map((entry) => path.join(dist, entry));
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    if (found.has(file)) continue;
    if (!fs.existsSync(file)) throw new Error(`${path.relative(dist, file)} is not in ${dist}: was the page built?`);
    found.add(file);
    for (const address of referencesOf(file)) if (isOurs(address)) queue.push(resolve(dist, file, address));
  }
  return [...found];
}
