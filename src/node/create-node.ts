// Makes the node of this tab: the wiring diagram in code. Nothing is fetched or computed before `lend(true)` or `generate`.
import type { Prompt } from "../inference/encode-prompt.ts";
import { generate } from "../inference/generate.ts";
import { createSampler } from "../model/text/sampler.ts";
import { pickForPrompt, pickToLend, SOLO_BYTES } from "../route/plan-model.ts";
import { systemClock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId, PeerId, JobId } from "../shared/ids.ts";
import { chooseModel, fitsHere } from "./models/choose-model.ts";
import type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../tasks/kinds/asked-kinds.ts";
import type { ModelTiles } from "../tasks/kinds/ml-inference.ts";
import type { MapOptions } from "../tasks/jobs/map-stream.ts";
import type { Jobs } from "../tasks/jobs/jobs.ts";
import type { OnPart } from "../tasks/jobs/job-run.ts";
import type { TaskRequest, JobIdOf } from "../tasks/jobs/job.ts";
import { readConfig } from "./platform/config.ts";
import { findDetour, findRoute } from "../inference/requester/find-route.ts";
import type { Account, AskEvent, AskOptions, FolderHandle, Node } from "./face.ts";
import type { BackendChoice, HostKind, NodeState } from "./state.ts";
import type { Joined } from "./joined.ts";
import { Joining } from "./joining.ts";
import { Lender } from "./spans/lender.ts";
import type { Platform } from "./platform/platform.ts";
import { tabPlatform } from "./platform/tab-platform.ts";
import { toProblem } from "./problem.ts";
import { showSwarm } from "./show-joined.ts";
import { StateStore } from "./state-store.ts";
import { TabJobs } from "./tasks/tab-jobs.ts";

/** `platform`: a tab of the relay that served this page, unless another is given. */
export function createNode({ host, platform }: { readonly host: HostKind; readonly platform?: Platform }): Promise<Node> {
  return Promise.resolve(new TabNode(platform ?? tabPlatform(readConfig(host))));
}

class TabNode implements Node {
  readonly #platform: Platform;
  readonly #store = new StateStore();
  readonly #tasks: TabJobs;
  readonly #life = new AbortController();
  readonly #joining: Joining;
  /** Opened by the person, by the model whose weights they hold. */
  readonly #folders = new Map<ModelId, FolderHandle>();
  #lender: Lender | undefined;
  #lendWanted = false;
  #lendModel: ModelId | undefined;
  #lending: ModelId | undefined;
  #stopped: Promise<void> | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#joining = new Joining({
      platform,
      store: this.#store,
      folderOf: (model) => this.#folders.get(model),
      standings: () => this.#tasks.standings(),
      signal: this.#life.signal,
    });
    this.#tasks = new TabJobs({
      join: () => this.#joining.join(),
      openStores: () => platform.openJobStores(),
      log: platform.log,
      onJobs: (jobs, urgency) => {
        this.#store.update({ jobs }, urgency);
        if (jobs.some(({ kind, endedMs }) => kind === "render_gpu" && endedMs === undefined)) this.#joining.joined?.tasks.findCard();
      },
    });
  }

  get state(): NodeState {
    return this.#store.state;
  }

  subscribe(listener: (state: NodeState) => void): () => void {
    return this.#store.subscribe(listener);
  }

  async lend(on: boolean): Promise<void> {
    this.#lendWanted = on;
    if (!on) this.#joining.joined?.tasks.lend(false);
    await this.#lender?.stop();
    this.#lender = undefined;
    this.#lending = undefined;
    if (!on) {
      this.#store.update({ lend: { kind: "off" } });
      return;
    }
    this.#store.update({ lend: { kind: "joining", step: "Asking the relay where to join" } });
    try {
      if (this.#platform.links === "relayed")
        throw new ManyhandsError("BROWSER_UNSUPPORTED", "Only a browser tab can lend: others reach it by WebRTC, which is missing here.");
      const joined = await this.#joining.join();
      // The switch may have been thrown again while this tab joined.
      if (!this.#lendWanted || this.#lender) return;
      joined.tasks.lend(true);
      await this.#startLending(joined);
    } catch (error) {
      this.#joining.joined?.tasks.lend(false);
      if (this.#lendWanted && !this.#life.signal.aborted) this.#store.update({ lend: { kind: "failed", problem: toProblem(error) } });
    }
  }

  setShare(share: number): void {
    this.#store.update({ share: Math.min(1, Math.max(0.1, share)) });
    this.#lender?.settingsChanged();
  }

  setBackend(choice: BackendChoice): void {
    this.#store.update({ backendChoice: choice });
    this.#lender?.settingsChanged();
  }

  setKeepBytes(bytes: number): void {
    this.#store.update({ keepBytes: Math.max(0, Math.round(bytes)) });
    void this.#joining.joined?.models.keepBudget();
  }

  mountFolder(model: ModelId, folder: FolderHandle): void {
    this.#folders.set(model, folder);
    void this.#joining.joined?.models.mount(model, folder);
  }

  setLendModel(model: ModelId | undefined): void {
    this.#lendModel = model;
    if (this.#lender && this.#lending !== undefined && model !== undefined && model !== this.#lending) void this.lend(true);
  }

  async *generate(
    prompt: Prompt,
    { model: wish, ...options }: Partial<AskOptions> = {},
    signal: AbortSignal = this.#life.signal,
  ): AsyncGenerator<AskEvent, void> {
    if (typeof prompt === "string" && prompt.trim() === "")
      throw new ManyhandsError("BAD_INPUT", "The prompt is empty. Type the beginning of a text and ask again.");
    const until = AbortSignal.any([signal, this.#life.signal]);
    yield { kind: "waiting", reason: { kind: this.#joining.joined ? "looking" : "joining" }, progress: undefined };
    const joined = await this.#joining.joinSoon(until, "Your prompt is kept: check your connection and ask again.");
    const { mesh, directory, settlement, roundTrips } = joined;
    const pick = await chooseModel(joined, wish, (peers) => pickForPrompt(joined.offers, peers, wish, SOLO_BYTES), {
      clock: systemClock,
      signal: until,
    });
    const offer = joined.offers.find((offered) => offered.id === pick?.model);
    if (pick && offer) yield { kind: "chosen", model: offer, reason: pick.reason };
    const { model, solo } = await joined.models.open(pick?.model, until);
    this.#focus(joined, model.id);
    const swarm = { model, directory, solo, clock: systemClock, rttMs: (peer: PeerId) => roundTrips.of(peer) };
    yield* generate(
      {
        mesh,
        model,
        clock: systemClock,
        random: (bytes) => crypto.getRandomValues(bytes),
        createSampler,
        shelf: joined.sessionShelf,
        onAnswered: settlement.take,
        findDetour: (request, routeSignal) => findDetour(swarm, settlement.avoiding(request), routeSignal),
        findRoute: (exclude, routeSignal) => findRoute(swarm, settlement.avoidedBeside(exclude), routeSignal),
      },
      prompt,
      options,
      until,
    );
  }

  async join(): Promise<PeerId> {
    const { mesh } = await this.#joining.joinSoon(this.#life.signal, "Check its address and your connection, and try again.");
    return mesh.self;
  }

  async distributeTask<Kind extends TaskKindName>(request: TaskRequest<Kind>): Promise<JobIdOf<Kind>> {
    return (await this.#desk()).distribute(request);
  }

  async keepModel(bytes: Uint8Array): Promise<ModelTiles> {
    const joined = await this.#joining.joinSoon(this.#life.signal, "Check your connection and ask again.");
    return joined.taskTiles.keep(bytes);
  }

  async waitForResult<Kind extends TaskKindName>(id: JobIdOf<Kind>, signal?: AbortSignal): Promise<TaskValueByKind[Kind]> {
    return (await this.#desk()).wait(id, signal);
  }

  watchParts(id: JobId, onPart: OnPart): () => void {
    return this.#tasks.watch(id, onPart);
  }

  async taskData<Kind extends TaskKindName>(id: JobIdOf<Kind>): Promise<TaskDataByKind[Kind]> {
    return (await this.#desk()).data(id);
  }

  cancelTask(id: JobId): void {
    this.#tasks.cancel(id);
  }

  async forgetTask(id: JobId): Promise<void> {
    await (await this.#desk()).forget(id);
  }

  readonly map: Node["map"] = (kind: TaskKindName, inputs: Iterable<unknown> | AsyncIterable<unknown>, options?: MapOptions) =>
    this.#tasks.map(kind, inputs, options) as AsyncIterable<never>; // of the kind's own values, as the overloads say

  async getBalance(signal: AbortSignal = this.#life.signal): Promise<Account> {
    const until = AbortSignal.any([signal, this.#life.signal]);
    const joined = await this.#joining.joinSoon(until, "Check your connection and ask again.");
    return joined.credit.account(until);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.lend(false);
    await this.#tasks.stop();
    this.#life.abort(new ManyhandsError("PEER_LOST", "This tab has left the swarm."));
    await this.#joining.stop();
  }

  async #startLending(joined: Joined): Promise<void> {
    const { mesh, presence, desk, startSpan } = joined;
    const wish = this.#lendModel;
    const { signal } = this.#life;
    const pick = await chooseModel(joined, wish, (peers) => pickToLend(joined.offers, peers, wish), { clock: systemClock, signal });
    const opened = pick && (await joined.models.open(pick.model, signal));
    // The switch may have been thrown again, or another model wished for, while this one was opened.
    if (!this.#lendWanted || this.#lender) return;
    if (this.#lendModel !== wish) {
      await this.#startLending(joined);
      return;
    }
    if (!opened || !fitsHere(opened.model)) {
      this.#store.update({ lend: { kind: "tasks-only", why: opened ? "no-room" : "no-model" } });
      return;
    }
    const { model } = opened;
    // Assignments was agreed to: weights are worth keeping when the browser wants room. It may say no, and nothing depends on it.
    // `storage` is missing in insecure contexts, whatever the type says.
    void (navigator as Partial<Navigator>).storage?.persist?.().catch(() => false);
    this.#lending = model.id;
    this.#focus(joined, model.id);
    this.#lender = new Lender({
      self: mesh.self,
      host: this.#platform.config.host,
      model,
      directory: presence,
      desk,
      startSpan,
      clock: systemClock,
      settings: () => ({ share: this.state.share, backend: this.state.backendChoice }),
      onState: (lend) => {
        if (lend.kind === "failed") joined.tasks.lend(false);
        this.#store.update({ lend });
      },
      onNotice: (sentence) => this.#store.notice(sentence),
    });
    this.#lender.start();
  }

  /** From now on the picture is that of `model`. */
  #focus(joined: Joined, model: ModelId): void {
    this.#store.update({ model: joined.offers.find((offer) => offer.id === model) });
    showSwarm(joined, this.#store);
  }

  #desk(): Promise<Jobs> {
    return this.#joining.soon(this.#tasks.desk(), this.#life.signal, "Check your connection and ask again.");
  }
}
