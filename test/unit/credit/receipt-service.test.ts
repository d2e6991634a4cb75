// Claims and countersignatures for layers, asked for over links: a peer signs for the requester of the work alone, and
// only for what its own tallies show. Garbage costs its sender the link.
import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { ReceiptClient } from "../../../src/credit/receipt-client.ts";
import type { Signer } from "../../../src/credit/ed25519.ts";
import { layerResult } from "../../../src/credit/layer-work.ts";
import { claimWork, stateVerdict } from "../../../src/credit/make-receipt.ts";
import { ReceiptResponder } from "../../../src/credit/receipt-responder.ts";
import { ReceiptService } from "../../../src/credit/receipt-service.ts";
import { SpanTallies } from "../../../src/credit/span-tallies.ts";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import { encodeFrame } from "../../../src/protocol/frame.ts";
import { encodeReceipt, type LayerWork, type Receipt, type Verdict } from "../../../src/protocol/receipt.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asModelId, asSessionId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import type { SpanTally } from "../../../src/shared/span-tally.ts";
import { newSigner } from "../../../tools/soak/parts/make-receipts.ts";

const { signal } = new AbortController();
const hash = (n: number): Uint8Array<ArrayBuffer> => new Uint8Array(32).fill(n);
const SESSION = asSessionId("ab".repeat(16));
const AUDIT = asSessionId("cd".repeat(16));
const CLASS = "wasm 1";

describe("a peer that took part in an answer", () => {
  let me: Signer;
  let [requester, worker, stranger] = [newSigner(), newSigner(), newSigner()];
  let kept: Receipt[] = [];
  let network: MemoryNetwork;
  let tallies: SpanTallies;
  beforeEach(() => {
    me = newSigner();
    [requester, worker, stranger] = [newSigner(), newSigner(), newSigner()];
    kept = [];
    network = new MemoryNetwork();
    tallies = new SpanTallies({ ...systemClock, sleep: () => Promise.resolve(), now: () => (now += 1000) });
    let now = 0;
    const responder = new ReceiptResponder({ signer: me, tallies, add: async (receipt) => void kept.push(receipt), now: Date.now });
    const service = new ReceiptService({ reply: (peer, request) => responder.reply(peer, request), log: silentLog });
    network.join(me.peer).handle(PROTOCOLS.receipt, (link) => service.accept(link));
  });
  const tally = (more: Partial<SpanTally> = {}): SpanTally => ({
    session: SESSION,
    model: asModelId("bafymodel"),
    span: { start: 2, end: 4 },
    requester: requester.peer,
    upstream: worker.peer,
    downstream: requester.peer,
    positions: { start: 0, end: 40 },
    input: hash(1),
    output: hash(2),
    determinismClass: CLASS,
    rowInvariant: true,
    isAudit: false,
    ...more,
  });
  const clientOf = (who: Signer): ReceiptClient => new ReceiptClient(network.join(who.peer), silentLog);
  const claim = { kind: "claim", session: SESSION, span: { start: 2, end: 4 }, positions: { start: 0, end: 40 } } as const;
  /** A statement about what `worker` did before this peer in the route, or about what this peer computed again. */
  const statement = async (
    work: Partial<LayerWork>,
    output: number,
    verdict: Verdict = "unchecked",
    parts = { input: hash(7), output: hash(output), determinismClass: CLASS },
  ) => {
    const whole: LayerWork = {
      kind: "layers",
      model: asModelId("bafymodel"),
      session: SESSION,
      span: { start: 0, end: 2 },
      positions: { start: 0, end: 40 },
      upstream: requester.peer,
      downstream: me.peer,
      ...work,
    };
    const signed = await claimWork(worker, { work: whole, requester: requester.peer, result: layerResult(parts), finishedMs: Date.now() });
    const witnesses = verdict === "unchecked" ? [] : [me.peer, stranger.peer];
    const receipt = await stateVerdict(requester, signed, { verdict, witnesses, reservation: null });
    return {
      kind: "countersign" as const,
      statement: encodeReceipt(receipt.statement),
      parts,
      audit: verdict === "unchecked" ? null : AUDIT,
    };
  };

  it("claims what its spans computed, for the requester alone, and the same each time", async () => {
    tallies.add(tally());
    const client = clientOf(requester);
    const first = await client.ask(me.peer, claim, "claimed");
    expect(first?.claim).toMatchObject({ worker: me.peer, requester: requester.peer, result: layerResult({ ...tally() }) });
    expect(await client.ask(me.peer, claim, "claimed")).toEqual(first);
    expect(await clientOf(stranger).ask(me.peer, claim, "claimed")).toBeUndefined();
    expect(await client.ask(me.peer, { ...claim, positions: { start: 0, end: 41 } }, "claimed")).toBeUndefined();
  });

  it("claims nothing for an audit, and nothing for which it would sign as its own neighbour", async () => {
    for (const mine of [tally({ isAudit: true }), tally({ upstream: me.peer }), tally({ downstream: me.peer })]) {
      tallies.add(mine);
      expect(await clientOf(requester).ask(me.peer, claim, "claimed")).toBeUndefined();
      requester = newSigner();
    }
  });

  it("signs for a neighbour if it got the claimed output itself, and nothing else", async () => {
    tallies.add(tally({ input: hash(5) }));
    const client = clientOf(requester);
    const askToSign = async (work: Partial<LayerWork>, output: number): Promise<unknown> =>
      client.ask(me.peer, await statement(work, output), "countersigned");
    expect(await askToSign({}, 5)).toBeDefined();
    expect(await askToSign({}, 6)).toBeUndefined(); // another output
    expect(await askToSign({ positions: { start: 0, end: 41 } }, 5)).toBeUndefined(); // more positions
    expect(await askToSign({ session: AUDIT }, 5)).toBeUndefined(); // another session
    expect(await askToSign({ downstream: stranger.peer }, 5)).toBeUndefined(); // no part in it
    expect(await clientOf(stranger).ask(me.peer, await statement({}, 5), "countersigned")).toBeUndefined(); // another requester
    const forged = { ...(await statement({}, 5)), parts: { input: hash(7), output: hash(5), determinismClass: "another" } };
    expect(await client.ask(me.peer, forged, "countersigned")).toBeUndefined(); // the claim is not made of these parts
  });

  it("is a witness of its own result, for the same input and class alone, and of a lie only if steps change no bits", async () => {
    const work = { span: { start: 0, end: 2 }, downstream: stranger.peer };
    const cases: readonly (readonly [Partial<SpanTally>, number, Verdict, boolean])[] = [
      [{}, 2, "audited", true],
      [{}, 3, "audited", false],
      [{}, 3, "wrong", true],
      [{}, 2, "wrong", false],
      [{ input: hash(9) }, 3, "wrong", false],
      [{ determinismClass: "webgpu" }, 3, "wrong", false],
      [{ rowInvariant: false }, 3, "wrong", false],
      [{ isAudit: false }, 3, "wrong", false],
    ];
    const client = clientOf(requester);
    for (const [mine, output, verdict, signs] of cases) {
      tallies.add(tally({ session: AUDIT, span: work.span, input: hash(7), isAudit: true, ...mine }));
      const reply = await client.ask(me.peer, await statement(work, output, verdict), "countersigned");
      expect([mine, output, verdict, reply !== undefined]).toEqual([mine, output, verdict, signs]);
    }
  });

  it("keeps receipts for its own claims alone", async () => {
    tallies.add(tally());
    const client = clientOf(requester);
    const reply = await client.ask(me.peer, claim, "claimed");
    if (reply === undefined) throw new Error("there should be a claim");
    const signed = { claim: reply.claim, signature: { peer: me.peer, signature: reply.signature } };
    const receipt = await stateVerdict(requester, signed, { verdict: "unchecked", witnesses: [], reservation: null });
    const wrong = await stateVerdict(requester, signed, { verdict: "wrong", witnesses: [], reservation: null });
    const other = await stateVerdict(
      requester,
      { ...signed, claim: { ...reply.claim, finishedMs: 1 } },
      { verdict: "unchecked", witnesses: [], reservation: null },
    );
    for (const each of [wrong, other, receipt]) await client.ask(me.peer, { kind: "receipt", receipt: encodeReceipt(each) }, "kept");
    expect(kept).toEqual([receipt]);
  });

  it("cuts a link over which garbage comes, and too many links of one peer", async () => {
    const mesh = network.join(stranger.peer);
    for (const bytes of [
      Uint8Array.of(1, 2, 3),
      encodeFrame({ kind: "gift" }),
      encodeFrame({ ...claim, positions: { start: 5, end: 5 } }),
      encodeFrame({ kind: "receipt", receipt: randomBytes(40) }),
    ]) {
      const link = await mesh.open(me.peer, PROTOCOLS.receipt, signal);
      await link.send(bytes);
      await link.closed;
    }
    const links = await Promise.all(Array.from({ length: 6 }, () => mesh.open(me.peer, PROTOCOLS.receipt, signal)));
    await Promise.all(links.slice(4).map((link) => link.closed));
    tallies.add(tally());
    expect(await clientOf(requester).ask(me.peer, claim, "claimed")).toBeDefined();
  });
});
