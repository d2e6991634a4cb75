// A tab that has joined: its mesh, directory, models and services, built together and torn down together.
import { SessionShelf } from "../inference/requester/session-shelf.ts";
import type { Directory } from "../mesh/ports/directory.ts";
import { Libp2pMesh } from "../mesh/libp2p/libp2p-mesh.ts";
import { LoopbackMesh } from "../mesh/memory/loopback-mesh.ts";
import type { Mesh } from "../mesh/ports/mesh.ts";
import { RelayDirectory } from "../mesh/libp2p/relay-directory.ts";
import { RoundTrips } from "../mesh/rtc/round-trips.ts";
import { RtcMesh } from "../mesh/rtc/rtc-mesh.ts";
import type { Clock } from "../shared/clock.ts";
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
  readonly heldSpans: HeldSpans;
  /** Routes of answers that are over, for prompts that go on from them. */
  readonly sessionShelf: SessionShelf;
  /** To the peers that this tab has been connected to. */
  readonly roundTrips: RoundTrips;
  readonly startSpan: StartSpan;
  readonly credit: TabAccount;
  /** Computes tasks: those of others while this tab lends, its own always. */
  readonly volunteer: TabVolunteer;
  /** Tiles of the tasks that this tab computes, and of its own tasks. */
  readonly taskTiles: TaskTiles;
  /** Makes receipts for the tasks that others compute for this tab. */
  readonly taskReceipts: TaskReceipts;
  /** The volunteers that may sign such receipts. */
  readonly witnesses: Witnesses;
  /** Pays for this tab's answers, and audits some of them. */
  readonly settlement: AnswerSettlement;
  /** The page may go away in the next moment: asks the connected peers to check whether it does. */
  going(): void;
  /** The page is going away this instant: cuts all connections, so that other peers notice at once. */
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
  /** Share of this tab's compute time that may be lent, 0.1 to 1. */
  readonly share: () => number;
  readonly onServedTasks: (served: ServedTasks) => void;
  /** What this tab knows of other peers' past work. */
  readonly standings: () => Promise<Standings>;
  readonly clock: Clock;
}

/** Joins the swarm; no model is opened yet. Throws BROWSER_UNSUPPORTED or the signal's reason. */
export async function join(
  { platform, bootstrap, backend, keepBytes, folderOf, share, onNotice, onCredit, onServedTasks, standings, clock }: JoinOptions,
  signal: AbortSignal,
): Promise<Joined> {
  const { config, log, links } = platform;
  const identity = await platform.acquireIdentity(signal);
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
  const heldSpans = new HeldSpans(mesh);
  const sessionShelf = new SessionShelf(clock);
  const startSpan = platform.startSpan({ mesh, clock, log });
  let present: readonly PeerId[] = [];
  directory.on("swarm:changed", ({ peers }) => {
    // The relay notices a dead tab at once, WebRTC after seconds: so each peer that the relay drops is probed.
    const now = peers.map(({ peer }) => peer);
    for (const peer of present) if (!now.includes(peer)) reach.suspect(peer);
    present = now;
  });
  const models = new OpenModels({
    self: mesh.self,
    relayOrigin: config.relayOrigin,
    offers: bootstrap.models,
    directory,
    heldSpans,
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
  const taskRunners = platform.taskRunners({ fetchTile: taskTiles.fetch, clock, wantsCard: () => backend() !== "wasm" });
  const add = (receipt: Receipt): Promise<void> =>
    credit.keeper.add(receipt).catch((error: unknown) => log.warn("a receipt could not be kept", { error: String(error) }));
  const claims = new TaskClaims({ signer: credit.signer, add, now: Date.now, onReceipt: (micro) => volunteer.earned(micro) });
  const { claim, witness, receipt } = claims;
  const volunteer = new TabVolunteer({
    mesh,
    presence,
    inference: heldSpans,
    taskRunners,
    clock,
    share,
    log,
    claim,
    witness,
    receipt,
    onState: onServedTasks,
  });
  const witnesses = new Witnesses(clock);
  const taskReceipts = new TaskReceipts({ signer: credit.signer, witnesses, add, log });
  const settlement = startLayerCredit({
    mesh,
    directory,
    spans: heldSpans,
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
    heldSpans,
    roundTrips,
    sessionShelf,
    startSpan,
    credit,
    volunteer,
    taskTiles,
    witnesses,
    taskReceipts,
    settlement,
    going: () => (reach instanceof RtcMesh ? reach.going() : undefined),
    vanish: () => reach.vanish(),
    stop: async () => {
      volunteer.stop();
      taskRunners.stop();
      await credit.stop();
      await directory.stop();
      await sessionShelf.stop();
      await models.stop();
      await mesh.stop();
      identity.release();
    },
  };
}
