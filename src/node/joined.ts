// A tab that has joined: its mesh, directory, models and services, built once and torn down together.
import { SessionShelf } from "../inference/requester/session-shelf.ts";
import type { Directory } from "../mesh/ports/directory.ts";
import { Libp2pMesh } from "../mesh/libp2p/libp2p-mesh.ts";
import { LoopbackMesh } from "../mesh/memory/loopback-mesh.ts";
import type { Mesh } from "../mesh/ports/mesh.ts";
import { RelayDirectory } from "../mesh/libp2p/relay-directory.ts";
import { RoundTrips } from "../mesh/rtc/round-trips.ts";
import { RtcMesh } from "../mesh/rtc/rtc-mesh.ts";
import { systemClock } from "../shared/clock.ts";
import type { ModelId, PeerId } from "../shared/ids.ts";
import type { Receipt } from "../protocol/receipt.ts";
import type { Standings } from "../tasks/dispatch/standings.ts";
import { Witnesses } from "../tasks/dispatch/witnesses.ts";
import type { AnswerSettlement } from "./credit/answer-settlement.ts";
import { TabAccount } from "./credit/tab-account.ts";
import type { BackendChoice, ServedTasks } from "./state.ts";
import type { CreditState } from "../credit/account-keeper.ts";
import type { FolderHandle } from "../model/tiles/folder-handle.ts";
import type { ModelOffer } from "../model/model-summary.ts";
import { startLayerCredit } from "./credit/layer-credit.ts";
import { OpenModels } from "./models/open-models.ts";
import { layerStandings } from "./credit/layer-standings.ts";
import type { Platform } from "./platform/platform.ts";
import { Presence } from "./spans/presence.ts";
import type { Bootstrap } from "../protocol/relay-api.ts";
import { fetchBootstrap } from "./fetch-bootstrap.ts";
import { HeldSpans } from "./spans/held-spans.ts";
import type { StartSpan } from "./spans/span-host.ts";
import { TaskClaims } from "./credit/task-claims.ts";
import { TabVolunteer } from "./tasks/tab-volunteer.ts";
import { TaskReceipts } from "./credit/task-receipts.ts";
import { openTaskTileStore, TaskTiles } from "./tasks/task-tiles.ts";

export interface Joined {
  readonly mesh: Mesh;
  readonly directory: Directory;
  /** What this tab announces. */
  readonly presence: Presence;
  /** The operator's list, the best first. */
  readonly offers: readonly ModelOffer[];
  readonly models: OpenModels;
  readonly desk: HeldSpans;
  /** Routes of answers that are over, for prompts that go on from them. */
  readonly sessionShelf: SessionShelf;
  /** To peers that this tab was connected to. */
  readonly roundTrips: RoundTrips;
  readonly startSpan: StartSpan;
  readonly credit: TabAccount;
  /** Tasks that this tab computes. */
  readonly tasks: TabVolunteer;
  /** Their tiles, and those of its own tasks. */
  readonly taskTiles: TaskTiles;
  /** Receipts for what others compute for this tab: a dispatcher's `checkClaim`, and what lending asks witnesses with. */
  readonly taskReceipts: TaskReceipts;
  readonly witnesses: Witnesses;
  /** Pays for answers, and has some of them computed again. */
  readonly settlement: AnswerSettlement;
  /** For a page that may go away in the next moment: others look whether it does. */
  going(): void;
  /** For a page that is going away this instant: cuts all connections so that others see it at once. */
  vanish(): void;
  stop(): Promise<void>;
}

export interface JoinOptions {
  readonly platform: Platform;
  readonly bootstrap: Bootstrap;
  readonly backend: () => BackendChoice;
  readonly keepBytes: () => number;
  /** The folder that a person opened for a model. */
  readonly folderOf: (model: ModelId) => FolderHandle | undefined;
  readonly onNotice: (sentence: string) => void;
  readonly onCredit: (credit: CreditState) => void;
  /** Share of compute that is lent, 0.1 to 1. */
  readonly share: () => number;
  readonly onServedTasks: (lent: ServedTasks) => void;
  /** What this tab learned of peers. */
  readonly standings: () => Promise<Standings>;
}

/** No model is opened yet. Throws BROWSER_UNSUPPORTED or the signal's reason. */
export async function join(
  { platform, bootstrap, backend, keepBytes, folderOf, share, onNotice, onCredit, onServedTasks, standings }: JoinOptions,
  signal: AbortSignal,
): Promise<Joined> {
  const clock = systemClock;
  const { config, log, links } = platform;
  const identity = await platform.takeIdentity(signal);
  if (identity.notice !== undefined) onNotice(identity.notice);
  const libp2p = await Libp2pMesh.start({
    seed: identity.seed,
    iceServers: bootstrap.iceServers,
    links,
    relayAddresses: async (dialSignal) => (await fetchBootstrap(config.relayOrigin, dialSignal)).addrs,
    clock,
    log,
  });
  const reach = links === "relayed" ? libp2p : new RtcMesh({ below: libp2p, iceServers: bootstrap.iceServers, clock, log });
  const roundTrips = reach instanceof RtcMesh ? reach.roundTrips : new RoundTrips(clock);
  const mesh = new LoopbackMesh(reach);
  const directory = new RelayDirectory({ relay: libp2p, clock, random: Math.random, log });
  const desk = new HeldSpans(mesh);
  const sessionShelf = new SessionShelf(clock);
  const startSpan = platform.startSpan({ mesh, log });
  let present: readonly PeerId[] = [];
  directory.on("swarm:changed", ({ peers }) => {
    // The relay sees a tab die at once, WebRTC only after seconds: its word is enough to ask for a sign of life.
    const now = peers.map(({ peer }) => peer);
    for (const peer of present) if (!now.includes(peer)) reach.suspect(peer);
    present = now;
  });
  const models = new OpenModels({
    self: mesh.self,
    relayOrigin: config.relayOrigin,
    offers: bootstrap.models,
    directory,
    desk,
    startSpan,
    exchange: (shelf) => libp2p.exchange(shelf),
    backend,
    keepBytes,
    folderOf,
    clock,
    log,
    onNotice,
  });
  const credit = await TabAccount.start({
    seed: identity.seed,
    relay: libp2p,
    shelf: models.shelf,
    clock,
    random: Math.random,
    log,
    onState: onCredit,
  });
  const presence = new Presence(directory, config.host, roundTrips);
  const taskTiles = new TaskTiles({
    self: mesh.self,
    directory,
    models: models.shelf,
    store: await openTaskTileStore(log),
    share: (shelf) => models.share(shelf),
    random: Math.random,
  });
  const runner = platform.taskRunner({ fetchTile: taskTiles.fetch, clock, wantsCard: () => backend() !== "wasm" });
  const add = (receipt: Receipt): Promise<void> =>
    credit.add(receipt).catch((error: unknown) => log.warn("a receipt could not be kept", { error: String(error) }));
  const claims = new TaskClaims({ signer: credit.signer, add, now: Date.now, onReceipt: (micro) => tasks.earned(micro) });
  const { claim, witness, receipt } = claims;
  const tasks = new TabVolunteer({ mesh, presence, desk, runner, clock, share, log, claim, witness, receipt, onState: onServedTasks });
  const witnesses = new Witnesses(clock);
  const taskReceipts = new TaskReceipts({ signer: credit.signer, witnesses, add, log });
  const settlement = startLayerCredit({
    mesh,
    directory,
    desk,
    signer: credit.signer,
    add,
    standings: layerStandings(await standings()),
    clock,
    now: Date.now,
    random: (bytes) => crypto.getRandomValues(bytes),
    fraction: Math.random,
    onNotice,
    log,
  });
  return {
    mesh,
    directory,
    presence,
    offers: bootstrap.models.map(({ id, summary }) => ({ id, ...summary })),
    models,
    desk,
    roundTrips,
    sessionShelf,
    startSpan,
    credit,
    tasks,
    taskTiles,
    witnesses,
    taskReceipts,
    settlement,
    going: () => (reach instanceof RtcMesh ? reach.going() : undefined),
    vanish: () => reach.vanish(),
    stop: async () => {
      tasks.stop();
      runner.stop();
      await credit.stop();
      await directory.stop();
      await sessionShelf.stop();
      await models.stop();
      await mesh.stop();
      identity.release();
    },
  };
}
