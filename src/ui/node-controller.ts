// Owns the node of this tab: makes it on consent or on the first prompt, and tells the elements what to show.
import type { BackendChoice, FolderHandle, LendState, Node, NodeState, Problem, RelayState } from "../node/face.ts";
import { abortable } from "../shared/abort.ts";
import { errorCode, errorMessage, ManyhandsError } from "../shared/errors.ts";
import type { ModelId } from "../shared/ids.ts";
import { type Choices, DEFAULT_CHOICES, readChoices } from "./choices.ts";
import type { Waiting } from "./load-code.ts";
import type { Memory } from "./memory.ts";
import { UNKNOWN, type Overview } from "./overview.ts";
import { type View, viewNode } from "./view.ts";

export interface NodeControllerOptions {
  /** Loads the node's code and makes the node. Called at most once at a time. */
  readonly createNode: (waiting: Waiting) => Promise<Node>;
  /** Somebody wants the node now: where `createNode` waits for the relay, it is asked again at once. */
  readonly hurry?: () => void;
  readonly memory: Memory;
}

/** Milliseconds for which a prompt waits for a relay that is away: as long as the node itself lets it wait later. */
const PROMPT_PATIENCE_MS = 12_000;

/** A failure as the page tells it: the node's own words where it has some. */
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
  #creating: Promise<Node> | undefined;
  #stopCreating: AbortController | undefined;
  /** While the node's code waits for a relay that does not answer. */
  #away: RelayState | undefined;
  #state: NodeState | undefined;
  #overview = UNKNOWN;
  /** What the page says of lending while there is no node to say it. */
  #lendHere: LendState = { kind: "off" };
  #lendWanted = false;
  #choices: Choices;
  readonly #folders = new Map<ModelId, FolderHandle>();
  #unsubscribe: (() => void) | undefined;
  /** Counts up with each node that is begun or let go of. */
  #generation = 0;

  constructor(options: NodeControllerOptions) {
    this.#options = options;
    this.#choices = readChoices(options.memory);
  }

  get view(): View {
    return viewNode({
      state: this.#state,
      overview: this.#overview,
      choices: this.#choices,
      lendHere: this.#lendHere,
      away: this.#away,
      folders: this.#folders,
    });
  }

  /** Calls `listener` after every change of `view`; answers the function that stops it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  setOverview(overview: Overview): void {
    this.#overview = overview;
    this.#changed();
  }

  /** The person agreed to lend: remembered, and lending starts. */
  async agree(): Promise<void> {
    this.#choose({ consented: true }, "consent", true);
    await this.lend(true);
  }

  async withdrawConsent(): Promise<void> {
    this.#choices = { ...this.#choices, consented: false };
    this.#options.memory.forget("consent");
    await this.lend(false);
  }

  /** Never throws: what fails shows in `view.lend`. */
  async lend(on: boolean): Promise<void> {
    if (on && !this.#choices.consented) return;
    this.#lendWanted = on;
    this.#lendHere = on ? { kind: "joining", step: "Loading what lending needs" } : { kind: "off" };
    this.#changed();
    if (!on && this.#creating === undefined) return;
    try {
      const node = await this.node();
      // The switch may have been moved while the node was made.
      if (this.#lendWanted !== on) return;
      await node.lend(on);
      this.#lendHere = { kind: "off" };
    } catch (error) {
      this.#lendHere = this.#lendWanted ? { kind: "failed", problem: problemOf(error) } : { kind: "off" };
    }
    this.#changed();
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

  /** Which model prompts go to; undefined leaves it to what the swarm serves. */
  setAskModel(askWish: ModelId | undefined): void {
    this.#choose({ askWish }, "askModel", askWish ?? null);
  }

  /** Which model is lent; undefined leaves it to what helps the swarm most. */
  setLendModel(lendWish: ModelId | undefined): void {
    this.#choose({ lendWish }, "lendModel", lendWish ?? null, (node) => node.setLendModel(lendWish));
  }

  /** A folder that the person opened for `model`; a browser forgets it with the page. */
  mountFolder(model: ModelId, folder: FolderHandle): void {
    this.#folders.set(model, folder);
    void this.#withNode((node) => node.mountFolder(model, folder));
    this.#changed();
  }

  #choose(choice: Partial<Choices>, key: string, value: unknown, tell?: (node: Node) => void): void {
    this.#choices = { ...this.#choices, ...choice };
    this.#options.memory.write(key, value);
    if (tell) void this.#withNode(tell);
    this.#changed();
  }

  /** The node, made when it is first wanted. Throws what making it threw; the next call tries again. */
  node(): Promise<Node> {
    if (this.#creating === undefined || this.#away !== undefined) this.#options.hurry?.();
    if (this.#creating === undefined) {
      this.#generation += 1;
      this.#creating = this.#create(this.#generation);
    }
    return this.#creating;
  }

  /** The node for a prompt, which does not wait for ever for a relay that is away. Throws RELAY_UNREACHABLE, else as `node`. */
  async nodeForPrompt(): Promise<Node> {
    const making = this.node();
    try {
      return await abortable(making, AbortSignal.timeout(PROMPT_PATIENCE_MS));
    } catch (cause) {
      if (this.#away === undefined) return making;
      throw new ManyhandsError(
        "RELAY_UNREACHABLE",
        "The relay does not answer, so this tab cannot join yet; it goes on trying. Your prompt is kept: check your connection and ask again.",
        { cause },
      );
    }
  }

  /** Leaves the swarm and frees everything; the next wish for a node makes a new one. */
  async release(): Promise<void> {
    const creating = this.#creating;
    this.#lendWanted = false;
    this.#lendHere = { kind: "off" };
    this.#creating = undefined;
    this.#stopCreating?.abort();
    this.#away = undefined;
    this.#generation += 1;
    this.#unsubscribe?.();
    this.#state = undefined;
    this.#changed();
    try {
      await (await creating)?.stop();
    } catch {
      // A node that could not be made, or is gone already, has nothing left to free.
    }
  }

  async #create(generation: number): Promise<Node> {
    const stopper = new AbortController();
    this.#stopCreating = stopper;
    try {
      const node = await this.#options.createNode({ signal: stopper.signal, onAway: (retryInMs) => this.#wait(generation, retryInMs) });
      if (this.#generation !== generation) return node; // let go of meanwhile: `release` stops it
      this.#away = undefined;
      this.#tellChoices(node);
      this.#state = node.state;
      this.#unsubscribe = node.subscribe((state) => {
        this.#state = state;
        this.#changed();
      });
      this.#changed();
      return node;
    } catch (error) {
      if (this.#generation === generation) {
        this.#creating = undefined;
        this.#away = undefined;
      }
      throw error;
    }
  }

  /** What was chosen before the node was there. */
  #tellChoices(node: Node): void {
    const { share, backendChoice, keepBytes, lendWish } = this.#choices;
    node.setShare(share);
    if (backendChoice !== DEFAULT_CHOICES.backendChoice) node.setBackend(backendChoice);
    if (keepBytes !== DEFAULT_CHOICES.keepBytes) node.setKeepBytes(keepBytes);
    if (lendWish !== undefined) node.setLendModel(lendWish);
    for (const [model, folder] of this.#folders) node.mountFolder(model, folder);
  }

  #wait(generation: number, retryInMs: number): void {
    if (this.#generation !== generation) return;
    this.#away = { kind: "lost", name: this.#overview.relay.name, retryInMs };
    if (this.#lendWanted) this.#lendHere = { kind: "joining", step: "Waiting for the relay, which does not answer" };
    this.#changed();
  }

  async #withNode(use: (node: Node) => void): Promise<void> {
    try {
      if (this.#creating !== undefined) use(await this.#creating);
    } catch {
      // Making the node failed, which whoever wanted it is told; the choice is kept for the next one.
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
