// Vitest has two projects: `unit` runs in Node, `browser` runs *.browser.test.ts in a real headless browser.
import fs from "node:fs";
import path from "node:path";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { BROWSER_FLAGS, findBrowser } from "./tools/setup/browser.mjs";

const ROOT = import.meta.dirname;
const SETUPS = ["relay", "listener"].map((name) => path.join(ROOT, `test/contract/${name}-global-setup.ts`));
const browser = await findBrowser(ROOT);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          environment: "node",
          include: ["test/unit/**/*.test.ts", "test/relay/**/*.test.ts", "test/contract/**/*.node.test.ts"],
          exclude: ["**/*.browser.test.ts"],
          maxWorkers: 2, // on two cores, the default leaves one idle
          testTimeout: 60_000,
        },
      },
      {
        // onnxruntime-web looks for its WASM files beside its own module, and pre-bundling would move that module.
        optimizeDeps: { exclude: ["onnxruntime-web"] },
        worker: { format: "es" },
        test: {
          name: "browser",
          include: ["test/**/*.browser.test.ts"],
          testTimeout: 60_000,
          globalSetup: SETUPS.filter((file) => fs.existsSync(file)),
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: { ...(browser && { executablePath: browser.path }), args: [...BROWSER_FLAGS] } }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
