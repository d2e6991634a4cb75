// An answer over three peers, from its steps to the ledger of a real relay. Each peer is paid by the manifest's cost
// for the positions that its neighbours saw and for no more, and a peer that computed something else is convicted.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { claimWork, stateVerdict } from "../../src/credit/make-receipt.ts";
import { ReceiptClient } from "../../src/credit/receipt-client.ts";
import { layerResult } from "../../src/credit/layer-work.ts";
import type { Signer } from "../../src/credit/ed25519.ts";
import type { Engine } from "../../src/engine/contract.ts";
import { generate, type PromptModel } from "../../src/inference/generate.ts";
import { SessionShelf } from "../../src/inference/requester/session-shelf.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";
import type { AnswerSettlement } from "../../src/node/credit/answer-settlement.ts";
import { startLayerCredit } from "../../src/node/credit/layer-credit.ts";
import { layerStandings } from "../../src/node/credit/layer-standings.ts";
import type { Outcome } from "../../src/protocol/credit-frames.ts";
import { encodeReceipt, type LayerWork, type Receipt } from "../../src/protocol/receipt.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId, type PeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Standings } from "../../src/tasks/dispatch/standings.ts";
import { RecurrenceEngine, VOCABULARY } from "../../tools/sim/recurrence-engine.ts";
import { CHARACTERS } from "../../tools/sim/sim-swarm.ts";
import { servingSpan } from "../../tools/sim/serving-span.ts";
import { askingFor } from "../support/asking.ts";
import { type MemorySwarm, randomBytes, startMemorySwarm } from "../support/memory-swarm.ts";
import { creditHarness } from "./credit-harness.ts";

const { signal } = new AbortController();
const SPANS = [
  [0, 3],
  [3, 5],
  [5, 8],
] as const;

let harness: Awaited<ReturnType<typeof creditHarness>>;
beforeAll(async () => {
  harness = await creditHarness();
});
afterAll(() => harness.stop());

type Member = Awaited<ReturnType<typeof harness.join>>;

/** A swarm whose peers have keys and streams to the ledger. `lying` and `silent` are indexes of spans. */
async function startPaidSwarm({ lying, silent }: { readonly lying?: number; readonly silent?: number } = {}) {
  const members = new Map<PeerId, Member>();
  const named: PeerId[] = [];
  const join = async (): Promise<PeerId> => {
    const member = await harness.join();
    members.set(member.signer.peer, member);
    named.push(member.signer.peer);
    return member.signer.peer;
  };
  for (const _ of SPANS) await join();
  const startEngine = async (start: number, end: number): Promise<Engine> => {
    return new RecurrenceEngine({
      model: harness.model,
      layerCount: 8,
      span: { start, end },
      clock: systemClock,
      rowInvariant: true,
      stepMs: () => 0,
    });
  };
  const wrap = Object.fromEntries(
    SPANS.map((_, index) => [index, (engine: Engine) => Object.assign(engine, { lie: index === lying ? 9 : 0 })]),
  );
  const names = [...named];
  const swarm: MemorySwarm = await startMemorySwarm([3, 5], { wrap, startEngine, nameOf: () => names.shift() ?? "" });
  const outcomes: (readonly [PeerId, Receipt, Outcome])[] = [];
  const notices: string[] = [];
  const directory = {
    swarm: {
      get peers() {
        return swarm.peers.map(({ hop }, index) => ({
          ...servingSpan(harness.model, hop.span),
          peer: hop.peer,
          determinismClass: "recurrence",
          joined: index,
        }));
      },
      revision: 1,
    },
  };
  const credit = (member: Member, mesh: Mesh, spans: Parameters<typeof startLayerCredit>[0]["spans"]): AnswerSettlement =>
    startLayerCredit({
      mesh,
      directory,
      spans,
      signer: member.signer,
      add: async (receipt) => {
        const [outcome] = await member.client.post([encodeReceipt(receipt)], signal);
        if (outcome) outcomes.push([member.signer.peer, receipt, outcome]);
      },
      standings: layerStandings(new Standings()),
      clock: systemClock,
      now: Date.now,
      random: randomBytes,
      fraction: () => 0.9,
      onNotice: (sentence) => notices.push(sentence),
      log: silentLog,
    });
  const serve = (index: number): void => {
    const peer = swarm.peers[index];
    const member = peer && members.get(peer.hop.peer);
    if (peer && member) credit(member, peer.mesh, peer.service);
  };
  SPANS.forEach((_, index) => index !== silent && serve(index));
  const addSpare = async (start: number, end: number): Promise<PeerId> => {
    const name = await join();
    await swarm.add(name, start, end);
    serve(swarm.peers.length - 1);
    return name;
  };
  const asking = await harness.join();
  const mesh = swarm.guest(asking.signer.peer);
  const settlement = credit(asking, mesh, swarm.peers[0]?.service ?? fail("no peer"));
  const shelf = new SessionShelf(systemClock);
  const model: PromptModel = {
    id: harness.model,
    layerCount: 8,
    contextLength: 512,
    vocabularySize: VOCABULARY,
    stopTokens: new Set(),
    tokenizer: CHARACTERS,
    chat: undefined,
  };
  /**
   * Asks, stops after so many tokens, and waits until the answer is settled. Returns how many positions were computed.
   */
  const ask = async ({ stopAfter = Infinity, maxTokens = 20 } = {}): Promise<number> => {
    let settled: Promise<void> = Promise.resolve();
    let positions = 0;
    const events = generate(
      {
        ...askingFor(mesh, model, () => swarm.peers.slice(0, 3).map(({ hop }) => hop)),
        shelf,
        onAnswered: (record, held) => {
          positions = held;
          settled = settlement.settle(record, held);
          return settled;
        },
      },
      "a prompt of some length, to be paid for",
      { maxTokens, seed: 1, temperature: 0.9, drafts: false }, // a draft may leave one position more in the cache
      signal,
    );
    let tokens = 0;
    for await (const event of events) if (event.kind === "done" || (event.kind === "token" && ++tokens >= stopAfter)) break;
    await settled;
    return positions;
  };
  return { swarm, ask, shelf, addSpare, members, asking, mesh, outcomes, notices, settlement, named };
}

function fail(message: string): never {
  throw new Error(message);
}

const owned = async (peer: PeerId): Promise<number> => {
  const { available, escrow } = await harness.ledger.account(peer);
  return available + escrow;
};

/** Returns the microcredits for so many positions through a span, straight from the manifest. */
function worth([start, end]: readonly [number, number], positions: number): number {
  const cost = harness.costOf(harness.model) ?? fail("the model has a cost");
  const layers = cost.layerCost.slice(start, end).reduce((sum, each) => sum + each, 0);
  return Math.floor(((layers + (end === 8 ? cost.headCost : 0)) * positions) / 1000);
}

describe("an answer over three peers", () => {
  let made: Awaited<ReturnType<typeof startPaidSwarm>> | undefined;
  afterEach(async () => {
    await made?.shelf.stop();
    await made?.swarm.stop();
    made = undefined;
  });

  it("credits each peer by the manifest's cost, and once, although two peers post the receipt", async () => {
    made = await startPaidSwarm();
    const positions = await made.ask();
    expect(positions).toBeGreaterThan(50);
    for (const [index, span] of SPANS.entries()) expect(await owned(made.named[index] ?? asPeerId(""))).toBe(worth(span, positions));
    // Worker and requester both post it.
    expect(made.outcomes.map(([, , { kind }]) => kind).toSorted()).toEqual(["already", "already", "already", "posted", "posted", "posted"]);
    // Nobody else holds the layers, so no work is audited.
    expect(made.outcomes.map(([, { statement }]) => statement.verdict)).toEqual(Array.from({ length: 6 }, () => "unchecked"));
    expect(made.notices).toEqual([]);
  });

  it("credits an answer that was stopped, as far as it came", async () => {
    made = await startPaidSwarm();
    const positions = await made.ask({ stopAfter: 5 });
    expect(positions).toBeLessThan(50);
    for (const [index, span] of SPANS.entries()) expect(await owned(made.named[index] ?? asPeerId(""))).toBe(worth(span, positions));
  });

  it("credits each position of a conversation once, even if the conversation goes on", async () => {
    made = await startPaidSwarm();
    const first = await made.ask();
    expect(await made.ask()).toBe(first); // the same prompt again: no position is new
    for (const [index, span] of SPANS.entries()) expect(await owned(made.named[index] ?? asPeerId(""))).toBe(worth(span, first));
    const longer = await made.ask({ maxTokens: 40 });
    expect(longer).toBe(first + 20);
    for (const [index, span] of SPANS.entries())
      expect(await owned(made.named[index] ?? asPeerId(""))).toBe(worth(span, first) + worth(span, 20));
  });

  it("is audited if others hold the layers, and a witness signs the receipt", async () => {
    made = await startPaidSwarm();
    for (const [start, end] of SPANS) await made.addSpare(start, end);
    const positions = await made.ask();
    const first = made.outcomes.filter(([, , { kind }]) => kind === "posted");
    expect(first.map(([, { statement }]) => [statement.verdict, statement.witnesses.length])).toEqual([
      ["audited", 1],
      ["audited", 1],
      ["audited", 1],
    ]);
    for (const [index, span] of SPANS.entries()) expect(await owned(made.named[index] ?? asPeerId(""))).toBe(worth(span, positions));
  });

  it("pays nobody for more positions than the neighbours saw: they do not sign, and the ledger refuses the receipt", async () => {
    made = await startPaidSwarm();
    await made.ask();
    const receipt = made.outcomes.find(
      ([, { statement }]) => statement.claim.work.kind === "layers" && statement.claim.work.span.start === 3,
    )?.[1];
    const work = receipt?.statement.claim.work as LayerWork; // of the middle span, as the ledger accepted it
    const [worker, requester] = [made.members.get(made.named[1] ?? asPeerId(""))?.signer, made.asking.signer] as [Signer, Signer];
    const parts = { input: new Uint8Array(32), output: new Uint8Array(32).fill(1), determinismClass: "recurrence" };
    const more = { ...work, positions: { start: 0, end: work.positions.end + 50 } };
    const signed = await claimWork(worker, { work: more, requester: requester.peer, result: layerResult(parts), finishedMs: Date.now() });
    const statement = await stateVerdict(requester, signed, { verdict: "unchecked", witnesses: [], reservation: null });
    const client = new ReceiptClient(made.mesh, silentLog);
    for (const neighbour of [work.upstream, work.downstream]) {
      const request = { kind: "countersign" as const, statement: encodeReceipt(statement.statement), parts, audit: null };
      expect(await client.ask(neighbour, request, "countersigned")).toBeUndefined();
      expect((await client.ask(neighbour, request, "declined"))?.why).toContain("not what went through");
    }
    // A worker does not claim positions that it did not count either.
    expect(
      await client.ask(worker.peer, { kind: "claim", session: work.session, span: work.span, positions: more.positions }, "claimed"),
    ).toBeUndefined();
    await client.close();
    expect(await made.asking.client.post([encodeReceipt(statement)], signal)).toEqual([{ kind: "refused", reason: "missing-signature" }]);
  });

  it("pays the others if one peer does not reply: a witness that computed its neighbour's part again signs instead", async () => {
    made = await startPaidSwarm({ silent: 2 });
    for (const [start, end] of SPANS.slice(0, 2)) await made.addSpare(start, end);
    const positions = await made.ask();
    const paid = await Promise.all(made.named.slice(0, 3).map(owned));
    expect(paid).toEqual([worth(SPANS[0], positions), worth(SPANS[1], positions), 0]);
  });

  it("convicts a peer that computed something else, with the signatures of two witnesses", async () => {
    made = await startPaidSwarm({ lying: 1 });
    for (const _ of [1, 2]) await made.addSpare(3, 5);
    const liar = made.named[1] ?? asPeerId("");
    const positions = await made.ask();
    const convicted = made.outcomes.filter(([, , { kind }]) => kind === "convicted");
    expect(convicted.map(([, { statement }]) => [statement.claim.worker, statement.verdict, statement.witnesses.length])).toEqual([
      [liar, "wrong", 2],
    ]);
    expect(await owned(liar)).toBe(0);
    for (const index of [0, 2]) expect(await owned(made.named[index] ?? asPeerId(""))).toBe(worth(SPANS[index] ?? [0, 1], positions));
    expect([...made.settlement.avoidedPeers.all]).toEqual([liar]);
    expect(made.notices).toEqual([expect.stringContaining("had given something else")]);
  });
});
