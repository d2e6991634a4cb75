// Makes the node of this tab: the wiring in code. Nothing is fetched or computed before `lend(true)` or `generate`.
import type { Prompt } from "../inference/encode-prompt.ts";
import { systemClock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { JobId, ModelId, PeerId } from "../shared/ids.ts";
import type { JobIdOf, TaskRequest } from "../tasks/jobs/job.ts";
import type { OnPart } from "../tasks/jobs/job-run.ts";
import type { Jobs } from "../tasks/jobs/jobs.ts";
import type { MapOptions } from "../tasks/jobs/map-stream.ts";
import type { ModelTiles, TaskDataByKind, TaskKindName, TaskValueByKind } from "../tasks/kinds/kind-list.ts";
import { answerPrompt } from "./answer-prompt.ts";
import type { Account, AskEvent, AskOptions, FolderHandle, Node } from "./face.ts";
import { Joining } from "./joining.ts";
import { readConfig } from "./platform/config.ts";
import type { Platform } from "./platform/platform.ts";
import { tabPlatform } from "./platform/tab-platform.ts";
import { showModel } from "./show-joined.ts";
import { Lending } from "./lending.ts";
import type { BackendChoice, HostKind, NodeState } from "./state.ts";
import { StateStore } from "./state-store.ts";
import { TabJobs } from "./tasks/tab-jobs.ts";

const CHECK_CONNECTION = "Check your connection and ask again.";

/** `platform`: by default a tab of the relay that served this page. */
export function createNode({ host, platform }: { readonly host: HostKind; readonly platform?: Platform }): Promise<Node> {
  return Promise.resolve(new TabNode(platform ?? tabPlatform(readConfig(host))));
}

class TabNode implements Node {
  readonly #store = new StateStore();
  readonly #life = new AbortController();
  /** Folders that the person opened, by the model whose weights they hold. */
  readonly #folders = new Map<ModelId, FolderHandle>();
  readonly #joining: Joining;
  readonly #lending: Lending;
  readonly #jobs: TabJobs;
  #stopped: Promise<void> | undefined;

  constructor(platform: Platform) {
    const { signal } = this.#life;
    this.#joining = new Joining({
      platform,
      store: this.#store,
      folderOf: (model) => this.#folders.get(model),
      standings: () => this.#jobs.standings(),
      clock: systemClock,
      signal,
    });
    this.#lending = new Lending({
      links: platform.links,
      host: platform.config.host,
      join: () => this.#joining.join(),
      settings: () => ({ share: this.state.share, backend: this.state.backendChoice }),
      onState: (lend) => this.#store.update({ lend }),
      onNotice: (sentence) => this.#store.notice(sentence),
      onModel: (model) => this.#showModel(model),
      clock: systemClock,
      signal,
    });
    this.#jobs = new TabJobs({
      join: () => this.#joining.join(),
      openStores: () => platform.openJobStores(),
      log: platform.log,
      onJobs: (jobs, urgency) => {
        this.#store.update({ jobs }, urgency);
        const wantsCard = jobs.some(({ kind, endedMs }) => kind === "render_gpu" && endedMs === undefined);
        if (wantsCard) this.#joining.joined?.volunteer.findCard();
      },
    });
  }

  get state(): NodeState {
    return this.#store.state;
  }

  subscribe(listener: (state: NodeState) => void): () => void {
    return this.#store.subscribe(listener);
  }

  lend(on: boolean): Promise<void> {
    return this.#lending.lend(on);
  }

  setLendModel(model: ModelId | undefined): void {
    this.#lending.setModel(model);
  }

  setShare(share: number): void {
    this.#store.update({ share: Math.min(1, Math.max(0.1, share)) });
    this.#lending.settingsChanged();
  }

  setBackend(choice: BackendChoice): void {
    this.#store.update({ backendChoice: choice });
    this.#lending.settingsChanged();
  }

  setKeepBytes(bytes: number): void {
    this.#store.update({ keepBytes: Math.max(0, Math.round(bytes)) });
    void this.#joining.joined?.models.keepBudget();
  }

  mountFolder(model: ModelId, folder: FolderHandle): void {
    this.#folders.set(model, folder);
    void this.#joining.joined?.models.mount(model, folder);
  }

  generate(prompt: Prompt, options: Partial<AskOptions> = {}, signal?: AbortSignal): AsyncGenerator<AskEvent, void> {
    const onModel = (model: ModelId): void => this.#showModel(model);
    return answerPrompt({ joining: this.#joining, clock: systemClock, onModel }, prompt, options, this.#until(signal));
  }

  async join(): Promise<PeerId> {
    const { mesh } = await this.#joining.joinSoon(this.#life.signal, "Check its address and your connection, and try again.");
    return mesh.self;
  }

  async distributeTask<Kind extends TaskKindName>(request: TaskRequest<Kind>): Promise<JobIdOf<Kind>> {
    return (await this.#openJobs()).distribute(request);
  }

  async keepModel(bytes: Uint8Array): Promise<ModelTiles> {
    const { taskTiles } = await this.#joining.joinSoon(this.#life.signal, CHECK_CONNECTION);
    return taskTiles.keep(bytes);
  }

  async waitForResult<Kind extends TaskKindName>(id: JobIdOf<Kind>, signal?: AbortSignal): Promise<TaskValueByKind[Kind]> {
    return (await this.#openJobs()).wait(id, signal);
  }

  watchParts(id: JobId, onPart: OnPart): () => void {
    return this.#jobs.watch(id, onPart);
  }

  async taskData<Kind extends TaskKindName>(id: JobIdOf<Kind>): Promise<TaskDataByKind[Kind]> {
    return (await this.#openJobs()).data(id);
  }

  cancelTask(id: JobId): void {
    this.#jobs.cancel(id);
  }

  async forgetTask(id: JobId): Promise<void> {
    await (await this.#openJobs()).forget(id);
  }

  readonly map: Node["map"] = (kind: TaskKindName, inputs: Iterable<unknown> | AsyncIterable<unknown>, options?: MapOptions) =>
    this.#jobs.map(kind, inputs, options) as AsyncIterable<never>; // of the kind's own values, as the overloads say

  async getBalance(signal?: AbortSignal): Promise<Account> {
    const until = this.#until(signal);
    const { credit } = await this.#joining.joinSoon(until, CHECK_CONNECTION);
    return credit.keeper.account(until);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.lend(false);
    await this.#jobs.stop();
    this.#life.abort(new ManyhandsError("PEER_LOST", "This tab has left the swarm."));
    await this.#joining.stop();
  }

  /** The picture is that of `model` from now on. */
  #showModel(model: ModelId): void {
    const { joined } = this.#joining;
    if (joined) showModel(joined, this.#store, model);
  }

  #openJobs(): Promise<Jobs> {
    return this.#joining.soon(this.#jobs.opened(), this.#life.signal, CHECK_CONNECTION);
  }

  /** Aborts with `signal`, and when the node stops. */
  #until(signal?: AbortSignal): AbortSignal {
    return signal === undefined ? this.#life.signal : AbortSignal.any([signal, this.#life.signal]);
  }
}
