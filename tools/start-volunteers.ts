// Headless tabs that lend: each is in a context of its own and gives its consent by the page's button, as a person
// would.
import { chromium, type Browser, type Page } from "playwright-core";
import { BROWSER_FLAGS } from "./setup/browser.mjs";

export interface VolunteersOptions {
  /** The relay's page. */
  readonly address: string;
  readonly count: number;
  readonly executablePath: string;
  readonly say: (text: string) => void;
}

const DEFAULTS = Object.freeze({
  /** The page is small and near, but a busy machine is slow. */
  openTimeoutMs: 60_000,
  /** Time to fetch the weights, build the span and run the self-test. */
  serveTimeoutMs: 5 * 60_000,
  /** The first wait before a lost tab is opened again, which doubles until the last. */
  retryFirstMs: 1_000,
  retryLastMs: 60_000,
});

/** Browsers slow hidden tabs down, and these tabs have work to do. */
const AWAKE_FLAGS = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/** Keeps `count` tabs lending until `stop`. A lost tab is reported and opened again. */
export class Volunteers {
  readonly #options: VolunteersOptions;
  readonly #stopping = new AbortController();
  #browser: Promise<Browser> | undefined;
  #tabs: readonly Promise<void>[] = [];

  constructor(options: VolunteersOptions) {
    this.#options = options;
  }

  /** Resolves once the browser runs and every tab is about to open. Throws if the browser does not start. */
  async start(signal: AbortSignal): Promise<void> {
    const { count, address, say } = this.#options;
    signal.throwIfAborted();
    say(`opening ${count} volunteer tab${count === 1 ? "" : "s"} on ${address}`);
    await this.#running();
    this.#tabs = Array.from({ length: count }, (_, index) => this.#keepOpen(index + 1));
  }

  /** Closes all tabs and the browser. Idempotent. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort(new Error("stopping"));
    const browser = await this.#browser?.catch(() => undefined); // It never started, so there is nothing to close.
    if (browser?.isConnected()) this.#options.say("closing the volunteer tabs");
    await browser?.close();
    await Promise.all(this.#tabs);
  }

  /** Resolves with the one browser of all tabs, which is started again if it is gone. */
  #running(): Promise<Browser> {
    this.#browser ??= chromium
      .launch({
        executablePath: this.#options.executablePath,
        args: [...BROWSER_FLAGS, ...AWAKE_FLAGS],
        // This process handles Ctrl-C, so that tabs say goodbye before the browser closes.
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
      })
      .then((browser) => {
        browser.once("disconnected", () => (this.#browser = undefined));
        return browser;
      })
      .catch((error: unknown) => {
        this.#browser = undefined;
        throw error;
      });
    return this.#browser;
  }

  async #keepOpen(number: number): Promise<void> {
    const { say } = this.#options;
    const { signal } = this.#stopping;
    let waitMs: number = DEFAULTS.retryFirstMs;
    while (!signal.aborted) {
      let served = false;
      try {
        await this.#lendOnce(number, () => (served = true));
      } catch (error) {
        if (signal.aborted) return;
        if (served) waitMs = DEFAULTS.retryFirstMs;
        const seconds = Math.ceil(waitMs / 1000);
        say(
          `volunteer ${number} was lost (${error instanceof Error ? error.message.split("\n")[0] : String(error)}); opening it again in ${seconds} s`,
        );
        await pause(waitMs * (0.75 + Math.random() / 2), signal);
        waitMs = Math.min(waitMs * 2, DEFAULTS.retryLastMs);
      }
    }
  }

  /** Opens one tab, and throws the reason once the tab is lost. */
  async #lendOnce(number: number, onServing: () => void): Promise<never> {
    const browser = await this.#running();
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      const lost = lossOf(page);
      await Promise.race([lost, this.#lend(page)]);
      onServing();
      const span = await page.getByTestId("lend-state").getAttribute("data-span");
      this.#options.say(`volunteer ${number} is lending${span === null ? "" : ` layers ${span}`}`);
      return await lost;
    } finally {
      if (browser.isConnected()) await context.close();
    }
  }

  async #lend(page: Page): Promise<void> {
    const address = new URL(this.#options.address);
    address.searchParams.set("host", "volunteer");
    await page.goto(address.href, { timeout: DEFAULTS.openTimeoutMs });
    await page.getByTestId("lend-start").click({ timeout: DEFAULTS.openTimeoutMs });
    await page.locator('[data-testid="lend-state"][data-state="serving"]').waitFor({ state: "attached", timeout: DEFAULTS.serveTimeoutMs });
  }
}

/**
 * Rejects when the tab crashes or closes. The rejection is also handled here: a loss may come before anything awaits
 * it.
 */
function lossOf(page: Page): Promise<never> {
  const lost = new Promise<never>((_, reject) => {
    page.once("crash", () => reject(new Error("the tab crashed")));
    page.once("close", () => reject(new Error("the tab was closed")));
  });
  lost.catch(() => undefined);
  return lost;
}

/** Resolves after `ms`, or as soon as `signal` aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
