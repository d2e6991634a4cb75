// Tasks and the ledger together: real volunteers in memory make claims, witnesses sign, and receipts go over real
// streams to a real relay's ledger.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LEDGER_RULES } from "../../relay/ledger/plan-posting.ts";
import { claimWork, stateVerdict } from "../../src/credit/make-receipt.ts";
import { MemoryNetwork } from "../../src/mesh/memory/memory-mesh.ts";
import { TaskClaims, taskWork } from "../../src/node/credit/task-claims.ts";
import { TaskReceipts } from "../../src/node/credit/task-receipts.ts";
import type { Outcome } from "../../src/protocol/credit-frames.ts";
import { encodeReceipt, type Receipt } from "../../src/protocol/receipt.ts";
import { PROTOCOLS } from "../../src/protocol/version.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asTaskId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Dispatcher } from "../../src/tasks/dispatch/dispatcher.ts";
import { withCode } from "../../src/tasks/kinds/find-kind.ts";
import { KINDS } from "../../src/tasks/kinds/kind-list.ts";
import { sum } from "../../src/tasks/kinds/sum.ts";
import { linkVolunteer } from "../../src/tasks/dispatch/volunteer-link.ts";
import { LocalRunner } from "../../src/tasks/volunteer/local-runner.ts";
import { Standings } from "../../src/tasks/dispatch/standings.ts";
import { type DoneTask, Volunteer } from "../../src/tasks/volunteer/volunteer.ts";
import { Witnesses } from "../../src/tasks/dispatch/witnesses.ts";
import { computeJob } from "../../tools/sim/compute-job.ts";
import { newReservation, newSigner } from "../../tools/soak/parts/make-receipts.ts";
import { creditHarness } from "./credit-harness.ts";

const { signal } = new AbortController();
/** Numbers in a part of the sum. Each part is 66 units of work. */
const PART = 65_536;
const PART_MICRO = 66 * KINDS.sum.price.micro;

let harness: Awaited<ReturnType<typeof creditHarness>>;
beforeAll(async () => {
  harness = await creditHarness();
});
afterAll(() => harness.stop());

type Peer = Awaited<ReturnType<(typeof harness)["join"]>>;
/** How a volunteer misbehaves. */
interface Faults {
  /** Adds one to every sum. */
  isLying?: boolean;
  /** Signs its claims with another peer's key. */
  isForging?: boolean;
}

/** Makes a requester with its dispatcher, and volunteers that are paid for sums. */
async function swarm() {
  const network = new MemoryNetwork();
  const stop = new AbortController();
  const requester = await harness.join();
  const outcomes: Outcome[] = [];
  const copies: Outcome[] = [];
  const posts = new Map<Peer, Promise<void>>();
  /** Posts a peer's receipts one after the other, as its outbox does. */
  const post = (peer: Peer, receipt: Receipt, received: Outcome[]): Promise<void> => {
    const posted = (posts.get(peer) ?? Promise.resolve()).then(
      async () => void received.push(...(await peer.client.post([encodeReceipt(receipt)], signal))),
    );
    posts.set(peer, posted);
    return posted;
  };
  const witnesses = new Witnesses(systemClock);
  const add = (receipt: Receipt): Promise<void> => post(requester, receipt, outcomes);
  const receipts = new TaskReceipts({ signer: requester.signer, witnesses, add, log: silentLog });
  const standings = new Standings();
  const dispatcher = new Dispatcher({ clock: systemClock, random: Math.random, standings, checkClaim: receipts.checkClaim });
  receipts.follow(dispatcher);
  const forged: string[] = [];
  dispatcher.on("claim:forged", ({ peer }) => forged.push(peer));
  void dispatcher.watch(stop.signal);
  const mesh = network.join(requester.signer.peer);
  return {
    requester,
    receipts,
    outcomes,
    copies,
    forged,
    stop: () => stop.abort(),
    volunteer: async (faults: Faults = {}) => {
      const worker = await harness.join();
      const claims = new TaskClaims({
        signer: worker.signer,
        add: (receipt) => post(worker, receipt, copies),
        now: Date.now,
        onReceipt: () => {},
      });
      const thief = new TaskClaims({ signer: newSigner(), add: () => Promise.resolve(), now: Date.now, onReceipt: () => {} });
      const honest = new LocalRunner([withCode("sum", sum)]);
      const volunteer = new Volunteer({
        self: worker.signer.peer,
        runners: [
          {
            kinds: honest.kinds,
            run: async (task, context) => {
              const output = await honest.run(task, context);
              if (faults.isLying === true)
                new DataView(output.buffer).setFloat64(0, new DataView(output.buffer).getFloat64(0, true) + 1, true);
              return output;
            },
          },
        ],
        clock: systemClock,
        salt: () => crypto.getRandomValues(new Uint8Array(16)),
        claim: (done) => (faults.isForging === true ? thief : claims).claim(done),
        witness: claims.witness,
        receipt: claims.receipt,
      });
      network.join(worker.signer.peer).handle(PROTOCOLS.task, (link) => volunteer.accept(link));
      const options = { mesh, clock: systemClock, random: Math.random, dispatcher, witnesses, log: silentLog };
      void linkVolunteer(worker.signer.peer, options, stop.signal);
      return { ...worker, account: () => harness.ledger.account(worker.signer.peer) };
    },
    /** Sums so many parts of small numbers, different ones each time, and waits until the ledger has all receipts. */
    sum: async (parts: number, reservation: string | null = null) => {
      const floats = Array.from({ length: parts * PART }, () => Math.floor(Math.random() * 1000));
      const request = { kind: "sum", data: { floats }, ...(reservation !== null && { reward: 1 }) } as const;
      const reserve = () => Promise.resolve({ id: reservation ?? "", release: () => Promise.resolve() }); // it was reserved before
      const total = await computeJob(dispatcher, request, signal, { reserve });
      expect(total).toBe(floats.reduce((all, number) => all + number, 0));
      await receipts.made();
      await systemClock.sleep(0);
      await Promise.all(posts.values());
    },
  };
}

test("checked work is paid its price once, although two peers post the receipt, and half of the pay waits in escrow", async () => {
  const here = await swarm();
  const workers = [await here.volunteer(), await here.volunteer()];
  await here.sum(3);
  expect(here.outcomes.length).toBe(6); // the volunteers are newcomers, so every part is computed twice
  const accounts = await Promise.all(workers.map(({ account }) => account()));
  for (const account of accounts) {
    expect(account.available + account.escrow).toBe(3 * PART_MICRO);
    expect(account.escrow).toBe(3 * Math.ceil(PART_MICRO / 2));
    expect(account.checksToTrust).toBe(LEDGER_RULES.checksToTrust - 3);
  }
  expect([...here.outcomes, ...here.copies].filter(({ kind }) => kind === "posted").length).toBe(6);
  expect([...here.outcomes, ...here.copies].filter(({ kind }) => kind === "refused")).toEqual([]);
  const { starterLeft } = await harness.ledger.account(here.requester.signer.peer);
  expect(starterLeft).toBe(LEDGER_RULES.starter - 6 * PART_MICRO);
  here.stop();
});

test("a reservation pays first, and what is left of it comes back", async () => {
  const here = await swarm();
  await here.volunteer();
  await here.volunteer();
  const reservation = newReservation();
  await here.requester.client.reserve(reservation, 5 * PART_MICRO, 60_000, signal);
  await here.sum(2, reservation);
  const { peer } = here.requester.signer;
  expect((await harness.ledger.account(peer)).reserved).toBe(PART_MICRO);
  await here.requester.client.release(reservation, signal);
  expect(await harness.ledger.account(peer)).toMatchObject({ reserved: 0, starterLeft: LEDGER_RULES.starter - 4 * PART_MICRO });
  here.stop();
});

test("a claim with another peer's signature is refused, counted and not paid, and the result is right nevertheless", async () => {
  const here = await swarm();
  const forger = await here.volunteer({ isForging: true });
  await here.volunteer();
  await here.volunteer();
  await here.sum(4);
  expect(here.receipts.forged).toBeGreaterThan(0);
  expect(new Set(here.forged)).toEqual(new Set([forger.signer.peer]));
  expect(here.forged.length).toBe(here.receipts.forged);
  expect(await forger.account()).toMatchObject({ available: 0, escrow: 0 });
  here.stop();
});

test("a liar is convicted by its own signature and two witnesses, and its escrow is gone; the others are paid", async () => {
  const here = await swarm();
  const faults: Faults = {};
  const liar = await here.volunteer(faults);
  const honest = [await here.volunteer(), await here.volunteer()];
  await here.sum(6);
  const before = await liar.account();
  expect(before.escrow).toBeGreaterThan(0);
  faults.isLying = true;
  await here.sum(6);
  const taken = here.outcomes.flatMap((outcome) => (outcome.kind === "convicted" ? [outcome.takenBack] : []));
  expect(Math.max(...taken)).toBeGreaterThanOrEqual(before.escrow);
  const after = await liar.account();
  expect(after).toMatchObject({ escrow: 0, checksToTrust: LEDGER_RULES.checksToTrust });
  expect(after.history.some(({ why, part, amount }) => why === "wrong" && part === "escrow" && amount < 0)).toBe(true);
  for (const { account } of honest) expect((await account()).history.every(({ why }) => why === "receipt")).toBe(true);
  expect((await harness.ledger.audit()).sum).toBe(0);
  here.stop();
});

describe("a volunteer signs as a witness only for what it computed itself", () => {
  const [requester, self, other] = [newSigner(), newSigner(), newSigner()];
  const done: DoneTask = {
    task: asTaskId("bafytaskone"),
    kind: "sum",
    units: 66,
    replica: 0,
    requester: requester.peer,
    resultHash: new Uint8Array(32).fill(1),
  };
  const claims = new TaskClaims({ signer: self, add: () => Promise.resolve(), now: Date.now, onReceipt: () => {} });
  void claims.claim(done);
  const ask = async (
    change: Partial<DoneTask> = {},
    verdict: "quorum" | "wrong" | "audited" = "quorum",
    parties: { readonly witness?: typeof self; readonly requester?: typeof self; readonly worker?: typeof self } = {},
  ): Promise<boolean> => {
    const work = { ...done, replica: 1, ...change };
    const from = parties.requester ?? requester;
    const claim = await claimWork(parties.worker ?? other, {
      work: taskWork(work),
      requester: from.peer,
      result: work.resultHash,
      finishedMs: 1,
    });
    const { statement } = await stateVerdict(from, claim, { verdict, witnesses: [(parties.witness ?? self).peer], reservation: null });
    return (await claims.witness(requester.peer, encodeReceipt(statement))) !== undefined;
  };
  for (const kind of ["ml_inference", "render_gpu"])
    void claims.claim({ ...done, task: asTaskId(`bafytask${kind.replace("_", "")}`), kind });
  const lie = new Uint8Array(32).fill(2);

  test.each([
    ["the same result, with the verdict quorum", true, () => ask()],
    ["another result, with the verdict wrong", true, () => ask({ resultHash: lie }, "wrong")],
    ["another result, with the verdict quorum", false, () => ask({ resultHash: lie })],
    ["the same result, with the verdict wrong", false, () => ask({}, "wrong")],
    [
      "another result of a model",
      false,
      () => ask({ task: asTaskId("bafytaskmlinference"), kind: "ml_inference", resultHash: lie }, "wrong"),
    ],
    [
      "another result of a graphics card",
      false,
      () => ask({ task: asTaskId("bafytaskrendergpu"), kind: "render_gpu", resultHash: lie }, "wrong"),
    ],
    ["a verdict that no witness of a task states", false, () => ask({}, "audited")],
    ["another task", false, () => ask({ task: asTaskId("bafytasktwo") })],
    ["more units than its own task had", false, () => ask({ units: 6600 })],
    ["another kind", false, () => ask({ kind: "map" })],
    ["another requester", false, () => ask({}, "quorum", { requester: newSigner() })],
    ["its own work", false, () => ask({}, "quorum", { worker: self })],
    ["another peer as the witness", false, () => ask({}, "quorum", { witness: newSigner() })],
  ])("%s: %s", async (_name, signs, askToSign) => {
    expect(await askToSign()).toBe(signs);
  });
});
