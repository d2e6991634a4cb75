// Runs one span in several runtime sessions, each of them a part of its layers: the output of a part is the input of
// the next.
import type { SpanPlan } from "../protocol/span-plan.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { RunResult, SpanRunner } from "./span-runner.ts";

/** Runs a span, in one session or in a chain of them. Not re-entrant. */
export type Runner = Pick<SpanRunner, "plan" | "run" | "release">;

/** `plan` is that of all `parts` together, which are in order. A single part runs as it is. */
export function chainRunners(plan: SpanPlan, parts: readonly Runner[]): Runner {
  const [only, ...rest] = parts;
  return only && rest.length === 0 ? only : new RunnerChain(plan, parts);
}

class RunnerChain implements Runner {
  readonly plan: SpanPlan;
  readonly #parts: readonly Runner[];

  constructor(plan: SpanPlan, parts: readonly Runner[]) {
    this.plan = plan;
    this.#parts = parts;
  }

  /** As SpanRunner.run. If a part fails, the caches of the parts before it are freed. */
  async run(...[cache, count, tokens, hidden]: Parameters<Runner["run"]>): Promise<RunResult> {
    const caches: RunResult["caches"] = new Map();
    let last: RunResult | undefined;
    try {
      for (const part of this.#parts) {
        last = await part.run(cache, count, last ? undefined : tokens, last ? last.hidden : hidden);
        for (const [name, tensor] of last.caches) caches.set(name, tensor);
      }
    } catch (error) {
      for (const tensor of caches.values()) tensor.dispose();
      throw error;
    }
    if (!last) throw new ManyhandsError("ENGINE_FAILED", "a span of no parts cannot run");
    return { caches, hidden: last.hidden, logits: last.logits };
  }

  async release(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.release()));
  }
}
