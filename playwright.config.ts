// End-to-end tests: real tabs in the browser that set-up found. Each spec starts the relays that it needs.
import { defineConfig } from "@playwright/test";
import { BROWSER_FLAGS, findBrowser } from "./tools/setup/browser.mjs";

const browser = await findBrowser(import.meta.dirname);

/** Specs that measure times or that need the whole machine: nothing runs beside them. */
const ALONE = /(failover|hub-model|kill|kill-tab|sandbox|tasks|served-tasks|udp-proxy|webgpu)\.spec\.ts$/;

export default defineConfig({
  testDir: "test/e2e",
  testMatch: "**/*.spec.ts",
  fullyParallel: false,
  forbidOnly: Boolean(process.env["CI"]),
  workers: 1, // `npm test` gives the project `beside` two
  projects: [
    { name: "beside", testIgnore: ALONE, outputDir: "test-results/beside" },
    { name: "alone", testMatch: ALONE, outputDir: "test-results/alone" },
  ],
  retries: 0,
  timeout: 180_000,
  expect: { timeout: 30_000 },
  reporter: [["list"], ["json", { outputFile: "reports/playwright.json" }]],
  use: {
    browserName: "chromium",
    headless: true,
    screenshot: "only-on-failure", // a trace costs half as much time again; `--trace retain-on-failure` makes one
    launchOptions: { ...(browser && { executablePath: browser.path }), args: [...BROWSER_FLAGS] },
  },
});
