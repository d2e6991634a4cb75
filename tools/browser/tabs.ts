// Real tabs for tests and benches: a browser, contexts that share nothing, and the page, driven as a person drives it.
import { type Browser, type BrowserContext, chromium, type ConsoleMessage, type Page } from "playwright-core";
import { BROWSER_FLAGS, findBrowser } from "../setup/browser.mjs";

export const WEBGPU_FLAGS = Object.freeze(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]);

const DEFAULTS = Object.freeze({
  /** Milliseconds until a span is loaded and served, on a busy machine. */
  serveMs: 120_000,
  /** Milliseconds for an answer. */
  answerMs: 300_000,
});

export interface Answer {
  readonly tokens: readonly number[];
  readonly text: string;
  readonly status: string;
  /** Spans of the answer's route, `start-end`. */
  readonly route: readonly string[];
  /** As measured by the page; 0 before the second token. */
  readonly tokensPerSecond: number;
  readonly firstTokenMs: number;
  /** Mean milliseconds of compute per token, of all spans together. */
  readonly computeMs: number;
  /** What went wrong, in the page's words; empty if nothing did. */
  readonly problem: string;
}

export interface AskOptions {
  readonly maxTokens: number;
  readonly temperature?: number;
  readonly repetitionPenalty?: number;
  /** Whether to use drafts. Default true, as on the page. */
  readonly drafts?: boolean;
}

/** Launches the browser that set-up found. Throws if there is none. */
export async function launchBrowser(flags: readonly string[] = []): Promise<Browser> {
  const found = await findBrowser(new URL("../..", import.meta.url).pathname);
  if (!found) throw new Error("no browser: run `npm test` once, which finds or installs one");
  return chromium.launch({ executablePath: found.path, args: [...BROWSER_FLAGS, ...flags] });
}

/** One tab in a context of its own, with its own storage and key. */
export class Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors and warnings of the page's console, for a failing test. */
  readonly console: string[] = [];

  constructor(context: BrowserContext, page: Page) {
    this.context = context;
    this.page = page;
    page.on("console", (message: ConsoleMessage) => {
      if (message.type() === "error" || message.type() === "warning") this.console.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.console.push(`uncaught: ${error.message}`));
  }

  /** `prepare` is called before anything is loaded. */
  static async open(browser: Browser, url: string, prepare?: (context: BrowserContext) => Promise<unknown>): Promise<Tab> {
    const context = await browser.newContext();
    await prepare?.(context);
    const tab = new Tab(context, await context.newPage());
    await tab.page.goto(url);
    return tab;
  }

  /** Opens another tab of the same profile: same storage, same keys. */
  async openBeside(url = this.page.url()): Promise<Tab> {
    const tab = new Tab(this.context, await this.context.newPage());
    await tab.page.goto(url);
    return tab;
  }

  /** Agrees to lend, and resolves with the span, `start-end`, once it is served. */
  async lend(options: { readonly backend?: "wasm" | "webgpu"; readonly share?: number } = {}): Promise<string> {
    await this.page.getByTestId("lend-start").click();
    if (options.share !== undefined) await this.page.getByTestId("share-slider").fill(String(Math.round(100 * options.share)));
    if (options.backend) await this.page.getByTestId("backend-select").selectOption(options.backend);
    await this.page.locator('[data-testid="lend-state"][data-state="serving"]').waitFor({ timeout: DEFAULTS.serveMs });
    return this.span();
  }

  /** Resolves with the span that is served now, `start-end`; empty if there is none. */
  async span(): Promise<string> {
    return (await this.page.getByTestId("lend-state").getAttribute("data-span")) ?? "";
  }

  /** Agrees to lend, or tries again, which must fail. Resolves with the sentence that the page shows. */
  async failToLend(): Promise<string> {
    await this.page.getByTestId("lend-start").click();
    const state = this.page.locator('[data-testid="lend-state"][data-state="failed"]');
    await state.waitFor({ timeout: DEFAULTS.serveMs });
    return (await state.textContent())?.trim() ?? "";
  }

  /** Resolves once the tab serves `span`. */
  async holds(span: string): Promise<void> {
    await this.page.locator(`[data-testid="lend-state"][data-state="serving"][data-span="${span}"]`).waitFor({ timeout: DEFAULTS.serveMs });
  }

  /**
   * Types a prompt, sets the sampling (greedy unless `options` say otherwise), asks, and resolves when the answer has
   * ended.
   */
  async ask(prompt: string, options: AskOptions): Promise<Answer> {
    await this.startAsking(prompt, options);
    await this.page
      .locator('[data-testid="ask-answer"]:is([data-status="done"],[data-status="failed"],[data-status="stopped"])')
      .waitFor({ state: "attached", timeout: DEFAULTS.answerMs });
    return this.answer();
  }

  async startAsking(prompt: string, { maxTokens, temperature = 0, repetitionPenalty = 1, drafts = true }: AskOptions): Promise<void> {
    const { page } = this;
    await page.locator("details").evaluateAll((all) => all.forEach((details) => details.setAttribute("open", "")));
    const set = async (name: string, value: number): Promise<void> => page.locator(`[name="${name}"]`).fill(String(value));
    await set("maxTokens", maxTokens);
    await set("temperature", temperature);
    await set("repetitionPenalty", repetitionPenalty);
    await page.getByTestId("setting-drafts").setChecked(drafts);
    await page.getByTestId("ask-prompt").fill(prompt);
    await page.getByTestId("ask-submit").click();
  }

  async answer(): Promise<Answer> {
    const answer = this.page.getByTestId("ask-answer");
    const tokens = (await answer.getAttribute("data-tokens")) ?? "";
    const hops = await this.page
      .getByTestId("ask-route")
      .locator("[data-span]")
      .evaluateAll((items) =>
        items.map((item) => ({ span: item.getAttribute("data-span") ?? "", computeMs: Number(item.getAttribute("data-compute-ms")) })),
      );
    const stats = await this.page
      .getByTestId("ask-stats")
      .evaluateAll((items) =>
        items.map((item) => [item.getAttribute("data-tokens-per-second"), item.getAttribute("data-first-token-ms")].map(Number)),
      );
    return {
      tokens: tokens === "" ? [] : tokens.split(",").map(Number),
      text: (await answer.textContent()) ?? "",
      status: (await answer.getAttribute("data-status")) ?? "",
      route: hops.map((hop) => hop.span),
      tokensPerSecond: stats[0]?.[0] ?? 0,
      firstTokenMs: stats[0]?.[1] ?? 0,
      computeMs: hops.reduce((sum, hop) => sum + hop.computeMs, 0),
      problem: (await this.page.getByTestId("ask-problem").allTextContents()).join(" "),
    };
  }

  /** Resolves with the name of the model that the relay serves. */
  async modelName(): Promise<string> {
    const overview: unknown = await (await this.page.request.get(new URL("/api/swarm", this.page.url()).href)).json();
    const { model } = overview as { readonly model?: { readonly name?: string } }; // the reply of our own relay
    return model?.name ?? "";
  }

  close(): Promise<void> {
    return this.context.close();
  }
}
