// Owns the node of this tab: makes it on demand, passes on what the person chooses, and shows its state.
import type { BackendChoice, FolderHandle, Node, NodeState, Problem, RelayState } from "../node/face.ts";
import { awaitRelay } from "../shared/await-relay.ts";
import type { Clock } from "../shared/clock.ts";
import { errorCode, errorMessage } from "../shared/errors.ts";
import type { ModelId } from "../shared/ids.ts";
import { type Choices, DEFAULT_CHOICES, readChoices } from "./choices.ts";
import type { CodeWait } from "./load-code.ts";
import type { LocalStore } from "./local-store.ts";
import { UNKNOWN, type Overview } from "./overview.ts";
import { type LendBefore, type View, viewNode } from "./view.ts";

export interface NodeControllerOptions {
  /** Loads the node's code and makes the node. Only one call runs at a time, but for calls whose signal has aborted. */
  readonly createNode: (wait: CodeWait) => Promise<Node>;
  /** Called when somebody wants the node now: if `createNode` waits for the relay, the relay is asked again at once. */
  readonly hurry?: () => void;
  readonly localStore: LocalStore;
  /** The relay's origin, as a person reads it. */
  readonly relay: string;
  readonly clock: Pick<Clock, "sleep">;
}

/** Returns a failure as the page shows it, in the node's own words if it has some. */
export function problemOf(error: unknown): Problem {
  const code = errorCode(error);
  if (code !== undefined) return { code, message: errorMessage(error) };
  return {
    code: "ENGINE_FAILED",
    message: `Something went wrong in this tab (${errorMessage(error)}). Nothing that you wrote is lost. Try again, or reload the page.`,
  };
}

export class NodeController {
  readonly #options: NodeControllerOptions;
  readonly #listeners = new Set<() => void>();
  /** The node, and how to stop making it; undefined until it is wanted. */
  #making: { readonly node: Promise<Node>; readonly stopper: AbortController } | undefined;
  /** The node, once it is made. */
  #node: Node | undefined;
  #state: NodeState | undefined;
  #unsubscribe: (() => void) | undefined;
  /** Set while the node's code waits for a relay that does not reply. */
  #away: RelayState | undefined;
  #overview = UNKNOWN;
  #lendBefore: LendBefore = "off";
  #choices: Choices;
  readonly #folders = new Map<ModelId, FolderHandle>();

  constructor(options: NodeControllerOptions) {
    this.#options = options;
    this.#choices = readChoices(options.localStore);
  }

  get view(): View {
    return viewNode({
      state: this.#state,
      overview: this.#overview,
      choices: this.#choices,
      lendBefore: this.#lendBefore,
      away: this.#away,
      folders: this.#folders,
    });
  }

  /** Calls `listener` after every change of `view`. Returns a function that stops this. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  setOverview(overview: Overview): void {
    this.#overview = overview;
    this.#changed();
  }

  /** The person agreed to lend: the consent is remembered, and lending starts. */
  async agree(): Promise<void> {
    this.#choose({ consented: true }, "consent", true);
    await this.lend(true);
  }

  async withdrawConsent(): Promise<void> {
    this.#choices = { ...this.#choices, consented: false };
    this.#options.localStore.remove("consent");
    await this.lend(false);
  }

  /** Passes the wish to the node; without one, the wish waits for it. Never throws: failures show in `view.lend`. */
  async lend(on: boolean): Promise<void> {
    if (on && !this.#choices.consented) return;
    if (this.#node !== undefined) {
      const lending = this.#node.lend(on);
      this.#state = this.#node.state;
      this.#changed();
      await lending;
      return;
    }
    this.#lendBefore = on ? "wanted" : "off";
    this.#changed();
    if (on) await this.node().catch(() => {}); // shown in `view.lend`
  }

  setShare(wanted: number): void {
    const share = Math.min(1, Math.max(0.1, wanted));
    this.#choose({ share }, "share", share, (node) => node.setShare(share));
  }

  setBackend(backendChoice: BackendChoice): void {
    this.#choose({ backendChoice }, "backend", backendChoice, (node) => node.setBackend(backendChoice));
  }

  setKeepBytes(keepBytes: number): void {
    this.#choose({ keepBytes }, "keepBytes", keepBytes, (node) => node.setKeepBytes(keepBytes));
  }

  /** Which model gets the prompts; undefined leaves the choice to what the swarm serves. */
  setAskModel(askWish: ModelId | undefined): void {
    this.#choose({ askWish }, "askModel", askWish ?? null);
  }

  /** Which model is lent; undefined leaves the choice to what helps the swarm most. */
  setLendModel(lendWish: ModelId | undefined): void {
    this.#choose({ lendWish }, "lendModel", lendWish ?? null, (node) => node.setLendModel(lendWish));
  }

  /** A folder that the person opened for `model`; the browser forgets it with the page. */
  mountFolder(model: ModelId, folder: FolderHandle): void {
    this.#folders.set(model, folder);
    this.#node?.mountFolder(model, folder);
    this.#changed();
  }

  #choose(choice: Partial<Choices>, key: string, value: unknown, pass?: (node: Node) => void): void {
    this.#choices = { ...this.#choices, ...choice };
    this.#options.localStore.write(key, value);
    if (this.#node !== undefined) pass?.(this.#node);
    this.#changed();
  }

  /** Returns the node, and makes it if there is none. Throws what making it threw; the next call tries again. */
  node(): Promise<Node> {
    if (this.#making === undefined || this.#away !== undefined) this.#options.hurry?.();
    if (this.#making === undefined) {
      const stopper = new AbortController();
      this.#making = { node: this.#make(stopper.signal), stopper };
    }
    return this.#making.node;
  }

  /**
   * Returns the node for a prompt, which does not wait forever for a relay that is away. Throws RELAY_UNREACHABLE too.
   */
  nodeForPrompt(): Promise<Node> {
    const { clock, relay } = this.#options;
    const advice = "Your prompt is kept: check your connection and ask again.";
    const isAway = (): boolean => this.#away !== undefined;
    return awaitRelay(this.node(), { clock, relay, isAway, advice }, new AbortController().signal);
  }

  /** Leaves the swarm and frees everything. A new node is made when one is wanted again. */
  async release(): Promise<void> {
    const making = this.#making;
    this.#making = undefined;
    making?.stopper.abort();
    this.#node = undefined;
    this.#unsubscribe?.();
    this.#state = undefined;
    this.#away = undefined;
    this.#lendBefore = "off";
    this.#changed();
    try {
      await (await making?.node)?.stop();
    } catch {
      // A node that could not be made, or has stopped already, has nothing left to free.
    }
  }

  /** `signal` aborts when the page releases the node: then `release` stops it. */
  async #make(signal: AbortSignal): Promise<Node> {
    try {
      const node = await this.#options.createNode({ signal, onAway: (retryInMs) => this.#onAway(signal, retryInMs) });
      if (!signal.aborted) this.#adopt(node);
      return node;
    } catch (error) {
      if (!signal.aborted) {
        this.#making = undefined;
        this.#away = undefined;
        if (this.#lendBefore === "wanted") this.#lendBefore = problemOf(error);
        this.#changed();
      }
      throw error;
    }
  }

  #adopt(node: Node): void {
    this.#node = node;
    this.#away = undefined;
    this.#passChoices(node);
    this.#state = node.state;
    this.#unsubscribe = node.subscribe((state) => {
      this.#state = state;
      this.#changed();
    });
    this.#changed();
  }

  /** Passes on what was chosen before there was a node. */
  #passChoices(node: Node): void {
    const { share, backendChoice, keepBytes, lendWish } = this.#choices;
    node.setShare(share);
    if (backendChoice !== DEFAULT_CHOICES.backendChoice) node.setBackend(backendChoice);
    if (keepBytes !== DEFAULT_CHOICES.keepBytes) node.setKeepBytes(keepBytes);
    if (lendWish !== undefined) node.setLendModel(lendWish);
    for (const [model, folder] of this.#folders) node.mountFolder(model, folder);
    if (this.#lendBefore === "wanted") void node.lend(true);
    this.#lendBefore = "off";
  }

  #onAway(signal: AbortSignal, retryInMs: number): void {
    if (signal.aborted) return;
    this.#away = { kind: "lost", name: this.#overview.relay.name, retryInMs };
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
