// Lending, from the switch to a Lender that runs: the one place where a new wish meets what is under way.
import { pickToLend } from "../route/plan-model.ts";
import { abortable } from "../shared/abort.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId } from "../shared/ids.ts";
import type { Joined } from "./joined.ts";
import { chooseModel, fitsHere } from "./models/choose-model.ts";
import type { Platform } from "./platform/platform.ts";
import { toProblem } from "./problem.ts";
import { Lender, type LenderOptions, type SpanLoader } from "./spans/lender.ts";

/** The parts of a tab that has joined which lending needs. */
export interface LendingGround extends Pick<Joined, "directory" | "offers" | "presence" | "heldSpans" | "startSpan"> {
  readonly mesh: Pick<Joined["mesh"], "self">;
  readonly models: { open(model: ModelId, signal: AbortSignal): Promise<{ readonly model: SpanLoader }> };
  readonly volunteer: Pick<Joined["volunteer"], "lend">;
}

export interface LendingOptions extends Pick<LenderOptions, "host" | "clock" | "settings" | "onState" | "onNotice"> {
  readonly links: Platform["links"];
  /** Joins the swarm, or returns what joining made before. */
  readonly join: () => Promise<LendingGround>;
  /** Called with the model whose layers this tab is going to lend. */
  readonly onModel: (model: ModelId) => void;
  /** The node's life. */
  readonly signal: AbortSignal;
}

type Stage =
  /** Lending is off, or it failed, or this tab only computes tasks. */
  | { readonly kind: "resting" }
  /** The tab joins, chooses a model, and opens it. */
  | { readonly kind: "preparing" }
  /** A Lender runs, or has failed. */
  | { readonly kind: "running"; readonly model: ModelId; readonly lender: Lender };

/**
 * Holds the wish (on or off, and which model) and the stage that lending has reached. Every change of the wish that
 * matters starts a transition, which aborts the one before it: only the newest transition changes the stage or shows a
 * state. A Lender stays in the stage until it has stopped, so that every transition waits for it.
 */
export class Lending {
  readonly #options: LendingOptions;
  #isWanted = false;
  #wantedModel: ModelId | undefined;
  #stage: Stage = { kind: "resting" };
  #transition = new AbortController();
  /** Undefined until this tab has joined in order to lend. */
  #ground: LendingGround | undefined;

  constructor(options: LendingOptions) {
    this.#options = options;
  }

  /** Resolves once this tab lends or has stopped, or a newer wish took over. Never throws: failures are states. */
  lend(on: boolean): Promise<void> {
    this.#isWanted = on;
    if (!on) this.#ground?.volunteer.lend(false); // at once: a Lender takes a moment to leave
    return this.#change();
  }

  /** Which model to lend; undefined lends the one that helps the swarm most. */
  setModel(model: ModelId | undefined): void {
    if (model === this.#wantedModel) return;
    this.#wantedModel = model;
    const stage = this.#stage;
    const isOther = stage.kind === "running" && model !== undefined && model !== stage.model;
    if (stage.kind === "preparing" || isOther) void this.#change();
  }

  /** The share or the backend was changed. */
  settingsChanged(): void {
    if (this.#stage.kind === "running") this.#stage.lender.settingsChanged();
  }

  async #change(): Promise<void> {
    this.#transition.abort();
    this.#transition = new AbortController();
    const signal = AbortSignal.any([this.#transition.signal, this.#options.signal]);
    try {
      await this.#carryOut(signal);
    } catch (error) {
      if (signal.aborted) return; // a newer transition has taken over, or the node stops
      this.#stage = { kind: "resting" };
      this.#ground?.volunteer.lend(false);
      this.#options.onState({ kind: "failed", problem: toProblem(error) });
    }
  }

  /** Throws the signal's reason after any wait during which it aborted. */
  async #carryOut(signal: AbortSignal): Promise<void> {
    const { links, join, clock, onState } = this.#options;
    if (this.#stage.kind === "running") {
      await this.#stage.lender.stop();
      signal.throwIfAborted();
    }
    if (!this.#isWanted) {
      this.#stage = { kind: "resting" };
      onState({ kind: "off" });
      return;
    }
    this.#stage = { kind: "preparing" };
    onState({ kind: "joining", step: "Asking the relay where to join" });
    if (links === "relayed")
      throw new ManyhandsError("BROWSER_UNSUPPORTED", "Only a browser tab can lend: others reach it by WebRTC, which is missing here.");
    const ground = await abortable(join(), signal);
    signal.throwIfAborted();
    this.#ground = ground;
    ground.volunteer.lend(true);

    const wish = this.#wantedModel;
    const pick = await chooseModel(ground, wish, (peers) => pickToLend(ground.offers, peers, wish), { clock, signal });
    const opened = pick && (await ground.models.open(pick.model, signal));
    signal.throwIfAborted();
    if (opened && fitsHere(opened.model)) {
      this.#run(ground, opened.model);
      return;
    }
    this.#stage = { kind: "resting" };
    onState({ kind: "tasks-only", why: opened ? "no-room" : "no-model" });
  }

  #run(ground: LendingGround, model: SpanLoader): void {
    const { host, clock, settings, onState, onNotice, onModel } = this.#options;
    const { mesh, presence, heldSpans, startSpan, volunteer } = ground;
    // The person agreed to lend, so weights are worth keeping when the browser wants room. It may refuse, and nothing
    // depends on it. `storage` is missing in insecure contexts, whatever its type says.
    void (navigator as Partial<Navigator>).storage?.persist?.().catch(() => false);
    onModel(model.id);
    const lender = new Lender({
      self: mesh.self,
      host,
      model,
      directory: presence,
      heldSpans,
      startSpan,
      clock,
      settings,
      onState: (state) => {
        if (state.kind === "failed") volunteer.lend(false);
        onState(state);
      },
      onNotice,
    });
    this.#stage = { kind: "running", model: model.id, lender };
    lender.start();
  }
}
