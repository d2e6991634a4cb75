// Listens to the node of a real tab, notes every event of every answer with its time, and asks without the form.
import type { AskEvent, Node, RouteHop } from "../../src/node/face.ts";
import type { Tab } from "./tabs.ts";

const BINDING = "manyhandsMoments";

/** What happened to one answer in the page. */
export interface Moment {
  /** Milliseconds since 1970 by the machine's clock, with fractions: comparable between tabs and with this process. */
  readonly atMs: number;
  /** The kind of the node's event; `failed` if the answer ended with an error, `ended` if it came to its end. */
  readonly kind: string;
  readonly token?: number;
  readonly message?: string;
  readonly hops?: readonly RouteHop[];
  /** Everything else that the event carries; absent for a token. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface TapOptions {
  /**
   * Report each moment as it comes, for a caller that reacts; else report all at the end, for a caller that measures
   * times.
   */
  readonly live: boolean;
}

interface Batch {
  readonly answer: number;
  readonly moments: readonly Moment[];
}

/** One answer as the page saw it. */
export class TappedAnswer {
  readonly moments: Moment[] = [];
  readonly #waiting = new Set<() => void>();

  get tokens(): readonly number[] {
    return this.moments.flatMap(({ token }) => token ?? []);
  }

  /** Milliseconds since 1970 of each token. */
  get tokenTimes(): readonly number[] {
    return this.moments.filter(({ kind }) => kind === "token").map(({ atMs }) => atMs);
  }

  /** The route of the answer now. */
  get hops(): readonly RouteHop[] {
    return this.moments.findLast(({ hops }) => hops !== undefined)?.hops ?? [];
  }

  get ended(): boolean {
    return this.moments.at(-1)?.kind === "ended" || this.moments.at(-1)?.kind === "failed";
  }

  /** Why the answer failed; empty if it did not. */
  get problem(): string {
    return this.moments.find(({ kind }) => kind === "failed")?.message ?? "";
  }

  /**
   * Resolves once `holds` is true. Throws after `timeoutMs`, with a message that `what` did not come, or if the answer
   * ends before.
   */
  async until(what: string, timeoutMs: number, holds: (answer: TappedAnswer) => boolean): Promise<void> {
    const limit = Date.now() + timeoutMs;
    while (!holds(this)) {
      if (this.ended) throw new Error(`the answer ended before ${what}${this.problem === "" ? "" : `: ${this.problem}`}`);
      const leftMs = limit - Date.now();
      if (leftMs <= 0) throw new Error(`${what} did not come within ${timeoutMs} ms`);
      await this.#next(leftMs);
    }
  }

  /** Resolves with the last moment. */
  end(timeoutMs: number): Promise<void> {
    return this.until("the end of the answer", timeoutMs, ({ ended }) => ended);
  }

  add(moments: readonly Moment[]): void {
    this.moments.push(...moments);
    for (const wake of [...this.#waiting]) wake();
  }

  #next(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }
}

export class AnswerTap {
  /** In the order in which they were asked, by the form or by `ask`. */
  readonly answers: TappedAnswer[] = [];
  readonly #tab: Tab;
  #asked = 0;

  private constructor(tab: Tab) {
    this.#tab = tab;
  }

  /** Makes the tab's node if there is none yet, and wraps its `generate`. */
  static async attach(tab: Tab, options: TapOptions): Promise<AnswerTap> {
    const tap = new AnswerTap(tab);
    await tab.page.exposeFunction(BINDING, ({ answer, moments }: Batch) => tap.#answer(answer).add(moments));
    await tab.page.evaluate(tapNode, { binding: BINDING, live: options.live });
    return tap;
  }

  /** Asks as a program does: no form, nothing painted. Greedy unless `options` say otherwise. */
  async ask(prompt: string, options: Readonly<Record<string, unknown>> & { readonly maxTokens: number }): Promise<TappedAnswer> {
    const greedy = { temperature: 0, repetitionPenalty: 1, ...options };
    const index = await this.#tab.page.evaluate(([text, chosen]) => (globalThis as TapGlobal).manyhandsAsk(text, chosen), [
      prompt,
      greedy,
    ] as const);
    this.#asked = index + 1;
    return this.#answer(index);
  }

  /** Returns the answer to the next question that the form asks. */
  next(): TappedAnswer {
    return this.#answer(this.#asked++);
  }

  /** Stops every answer that `ask` began and that has not ended. */
  async stop(): Promise<void> {
    await this.#tab.page.evaluate(() => (globalThis as TapGlobal).manyhandsStop());
  }

  #answer(index: number): TappedAnswer {
    while (this.answers.length <= index) this.answers.push(new TappedAnswer());
    return this.answers[index] as TappedAnswer; // made above
  }
}

/** Resolves with the peer id of a tab that has joined. Throws if it has not. */
export async function peerOf(tab: Tab): Promise<string> {
  const self = await tab.page.evaluate(async () => {
    const app = document.querySelector("mh-app") as unknown as AppElement; // the page's own element
    return (await app.controller.nodeForPrompt()).state.self;
  });
  if (self === undefined) throw new Error("the tab has not joined");
  return self;
}

interface AppElement {
  readonly controller: { nodeForPrompt(): Promise<Node> };
}

type TapGlobal = typeof globalThis & {
  manyhandsAsk: (prompt: string, options: object) => number;
  manyhandsStop: () => void;
};

/** Runs in the page. */
async function tapNode({ binding, live }: { readonly binding: string; readonly live: boolean }): Promise<void> {
  const app = document.querySelector("mh-app") as unknown as AppElement; // the page's own element
  const node = await app.controller.nodeForPrompt();
  const report = Reflect.get(globalThis, binding) as (batch: Batch) => Promise<void>;
  const generate = node.generate.bind(node);
  let asked = 0;
  const momentOf = ({ kind, ...event }: { readonly kind: string } & Record<string, unknown>): Moment => {
    const atMs = performance.timeOrigin + performance.now();
    if (kind === "token") return { atMs, kind, token: event["token"] as number };
    const { hops, message, ...data } = event;
    return {
      atMs,
      kind,
      data,
      ...(hops !== undefined && { hops: hops as readonly RouteHop[] }),
      ...(typeof message === "string" && { message }),
    };
  };
  const tapped = async function* (answer: number, ...args: Parameters<Node["generate"]>): AsyncGenerator<AskEvent, void> {
    const held: Moment[] = [];
    const note = (moment: Moment, flush: boolean): void => {
      held.push(moment);
      if (flush) void report({ answer, moments: held.splice(0) });
    };
    try {
      for await (const event of generate(...args)) {
        note(momentOf({ ...event }), live);
        yield event;
      }
      note(momentOf({ kind: "ended" }), true);
    } catch (error) {
      note(
        momentOf({
          kind: "failed",
          message: error instanceof Error ? error.message : String(error),
          code: Reflect.get(Object(error), "code"),
        }),
        true,
      );
      throw error;
    }
  };
  node.generate = (...args) => tapped(asked++, ...args);
  const running = new Set<AbortController>();
  Object.assign(globalThis, {
    manyhandsAsk: (prompt: string, options: object): number => {
      const index = asked;
      const stop = new AbortController();
      running.add(stop);
      void (async () => {
        try {
          for await (const event of node.generate(prompt, options, stop.signal)) void event;
        } catch {
          // reported as a moment
        } finally {
          running.delete(stop);
        }
      })();
      return index;
    },
    manyhandsStop: (): void => {
      for (const stop of running) stop.abort(new DOMException("stopped by a bench", "AbortError"));
    },
  });
}
