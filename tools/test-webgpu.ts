// Asks the browser whether it has a WebGPU adapter, so that `npm test` can say why WebGPU tests ran or were skipped.
import { chromium } from "playwright-core";

/** Flags that let a machine without a graphics card use the browser's software adapter. */
const WEBGPU_FLAGS: readonly string[] = Object.freeze([
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  "--use-webgpu-adapter=swiftshader",
]);

/**
 * Browsers offer WebGPU only in secure contexts. No server is needed: the probe itself fulfils requests to this
 * address.
 */
const PAGE = "http://localhost/webgpu-probe";
const PROBE_TIMEOUT_MS = 30_000;

/** Returns one line: the adapter's name, or why there is none. Never throws. */
export async function describeWebGpu(executablePath: string, flags: readonly string[]): Promise<string> {
  try {
    const browser = await chromium.launch({ executablePath, args: [...flags, ...WEBGPU_FLAGS], timeout: PROBE_TIMEOUT_MS });
    try {
      const page = await browser.newPage();
      await page.route(PAGE, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>probe</title>" }));
      await page.goto(PAGE, { timeout: PROBE_TIMEOUT_MS });
      return await page.evaluate(async () => {
        // DOM types have no `gpu` yet; only two fields are read.
        const { gpu } = navigator as unknown as {
          gpu?: { requestAdapter(): Promise<{ info: { vendor: string; architecture: string } } | null> };
        };
        if (!gpu) return "this browser has no navigator.gpu";
        const adapter = await gpu.requestAdapter();
        return adapter ? `adapter ${adapter.info.vendor} ${adapter.info.architecture}`.trim() : "no adapter on this machine";
      });
    } finally {
      await browser.close();
    }
  } catch (error) {
    return `could not be asked: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
  }
}
