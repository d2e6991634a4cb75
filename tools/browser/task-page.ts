// Runs in a page of a test or bench: a requester of tasks over this project's own mesh, without a node above it.
import { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";
import { RtcMesh } from "../../src/mesh/rtc/rtc-mesh.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";
import { TabAccount } from "../../src/node/credit/tab-account.ts";
import { openTaskTileStore, TaskTiles } from "../../src/node/tasks/task-tiles.ts";
import { TaskReceipts } from "../../src/node/credit/task-receipts.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../../src/tasks/kinds/kind-list.ts";
import { Dispatcher } from "../../src/tasks/dispatch/dispatcher.ts";
import type { ModelTiles } from "../../src/tasks/kinds/ml-inference.ts";
import { linkVolunteer } from "../../src/tasks/dispatch/volunteer-link.ts";
import { Standings } from "../../src/tasks/dispatch/standings.ts";
import type { Settled } from "../../src/tasks/dispatch/task-record.ts";
import { Witnesses } from "../../src/tasks/dispatch/witnesses.ts";
import { computeJob } from "../sim/compute-job.ts";
import { untilConnected } from "./until-connected.ts";

interface Joined {
  readonly mesh: Mesh;
  readonly dispatcher: Dispatcher;
  readonly tiles: TaskTiles;
  readonly witnesses: Witnesses;
  readonly receipts: TaskReceipts;
  readonly stop: AbortController;
}

let joined: Joined | undefined;
let assigning = new AbortController();

/** How each task was settled, in the order of settling. */
export const settled: Pick<Settled, "id" | "verdict" | "agreed" | "wrong">[] = [];
export const caught: string[] = [];
/** How many receipts the ledger does not have yet. */
const receiptsOut = { waiting: 0 };

function here(): Joined {
  if (joined === undefined) throw new Error("join first");
  return joined;
}

/** Joins the relay's mesh. Resolves with this peer's id once the relay knows it. */
export async function join(relay: string): Promise<string> {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const below = await Libp2pMesh.start({ seed, relayAddresses: () => Promise.resolve([relay]) });
  const mesh = new RtcMesh({ below, iceServers: [], clock: systemClock, log: silentLog });
  const credit = await TabAccount.start({
    seed,
    relay: below,
    shelf: { get: () => Promise.resolve(undefined) },
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    onState: ({ waiting }) => (receiptsOut.waiting = waiting),
  });
  const witnesses = new Witnesses(systemClock);
  const receipts = new TaskReceipts({ signer: credit.signer, witnesses, add: (receipt) => credit.keeper.add(receipt), log: silentLog });
  const fresh = new Dispatcher({
    clock: systemClock,
    random: Math.random,
    standings: new Standings(),
    checkClaim: receipts.checkClaim,
  });
  receipts.follow(fresh);
  fresh.on("task:settled", ({ id, verdict, agreed, wrong }) => settled.push({ id, verdict, agreed, wrong }));
  fresh.on("peer:wrong", ({ peer }) => caught.push(peer));
  const stop = new AbortController();
  void fresh.watch(stop.signal);
  const tiles = new TaskTiles({
    self: mesh.self,
    directory: { swarm: { revision: 0, peers: [] } },
    models: { get: () => Promise.resolve(undefined) },
    store: await openTaskTileStore(silentLog),
    share: (shelf) => below.exchange(shelf),
    random: Math.random,
  });
  joined = { mesh, tiles, dispatcher: fresh, witnesses, receipts, stop };
  await untilConnected(below);
  return mesh.self;
}

/** The dispatcher of this page. Throws before `join`. */
export const dispatcher = (): Dispatcher => here().dispatcher;

/** Assigns tasks to these peers from now on, and to no others. */
export function assignTo(peers: readonly string[]): void {
  assigning.abort();
  assigning = new AbortController();
  const { witnesses, mesh, stop } = here();
  const signal = AbortSignal.any([stop.signal, assigning.signal]);
  const options = { mesh, dispatcher: dispatcher(), clock: systemClock, random: Math.random, witnesses, log: silentLog };
  for (const peer of peers) void linkVolunteer(asPeerId(peer), options, signal);
}

/** Resolves once the ledger has the receipts of all tasks that are settled by now. */
export async function posted(): Promise<void> {
  await here().receipts.made();
  while (receiptsOut.waiting > 0) await systemClock.sleep(50);
}

/** Keeps bytes as tiles that volunteers can fetch from here. */
export const offer = (bytes: Uint8Array<ArrayBuffer>): Promise<ModelTiles> => here().tiles.keep(bytes);

/** Resolves with the value, as computed by the volunteers of `assignTo`. */
export const compute = <Kind extends TaskKindName>(kind: Kind, data: TaskDataByKind[Kind]): Promise<TaskValueByKind[Kind]> =>
  computeJob(dispatcher(), { kind, data }, here().stop.signal);
