// Measures the peak of memory of a page's process, as Linux counts it: private and shared memory together.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import type { Browser } from "playwright-core";

export interface RendererMemory {
  /** Resolves with the bytes at the peak, above those when the watch began; NaN if the system does not report them. */
  peakBytes(): Promise<number>;
}

/** Watches the renderers of `browser`, which shows one page: the renderer that grows most is the page's. */
export async function rendererMemory(browser: Browser): Promise<RendererMemory> {
  const session = await browser.newBrowserCDPSession();
  const renderers = async (): Promise<number[]> => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  };
  const before = new Map<number, number>();
  for (const pid of await renderers()) {
    before.set(pid, await field(pid, "VmRSS"));
    if (existsSync(`/proc/${pid}/clear_refs`)) await writeFile(`/proc/${pid}/clear_refs`, "5"); // the kernel's peak counts from here
  }
  return {
    peakBytes: async () => {
      const grown = await Promise.all((await renderers()).map(async (pid) => (await field(pid, "VmHWM")) - (before.get(pid) ?? 0)));
      return Math.max(...grown);
    },
  };
}

async function field(pid: number, name: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) * 1024;
}
