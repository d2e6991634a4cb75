// Runs axe on a page: it finds faults for people who do not see the page or use no mouse.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";
import type axe from "axe-core";

const SOURCE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/**
 * Resolves with one line for each broken rule: the rule, and where it is broken. `fromShadowDom` names the element that
 * is checked, after the elements whose shadow roots it is in.
 */
export async function axeFindings(page: Page, fromShadowDom: [string, string, ...string[]]): Promise<readonly string[]> {
  await page.evaluate(await readFile(SOURCE, "utf8"));
  return page.evaluate(async (inside) => {
    const { axe: checker } = globalThis as typeof globalThis & { readonly axe: typeof axe };
    const { violations } = await checker.run(
      { fromShadowDom: inside },
      { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] },
    );
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")} ${failureSummary ?? ""}`).join("; ")}`,
    );
  }, fromShadowDom);
}
