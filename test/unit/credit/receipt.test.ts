// Receipts: which parties sign what, that every alteration is found, that forgeries and self-dealing are refused; and
// prices.
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { decode, encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { checkNative } from "../../../relay/ledger/appraise-receipt.ts";
import { checkSignature, publicKeyOf, signerOf } from "../../../src/credit/ed25519.ts";
import { claimWork } from "../../../src/credit/make-receipt.ts";
import { priceWork } from "../../../src/credit/price.ts";
import { findFault, RECEIPT_RULES, verifyClaim } from "../../../src/credit/verify-receipt.ts";
import { type Receipt, readReceipt, workId } from "../../../src/protocol/receipt.ts";
import { asModelId, asPeerId, asSessionId } from "../../../src/shared/ids.ts";
import { unitPrice } from "../../../src/tasks/kinds/find-kind.ts";
import { KINDS } from "../../../src/tasks/kinds/kind-list.ts";
import { newSigner, receiptOf, syncSigner, taskReceipt } from "../../../tools/soak/parts/make-receipts.ts";

const [worker, requester, witness, second, stranger] = [newSigner(), newSigner(), newSigner(), newSigner(), newSigner()];
const now = Date.now();
const fault = (receipt: Receipt) => findFault(receipt, checkNative, now);

const layers = (span: { start: number; end: number }, upstream = requester, downstream = requester) => ({
  kind: "layers" as const,
  model: asModelId("bafymodel"),
  session: asSessionId("00".repeat(16)),
  span,
  positions: { start: 0, end: 10 },
  upstream: upstream.peer,
  downstream: downstream.peer,
});

describe.each([["the platform's own"], ["plain JavaScript"]])("%s", (how) => {
  beforeEach(() => {
    // A page that is not served securely has no more of it.
    if (how === "plain JavaScript") vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
  });
  afterEach(() => vi.unstubAllGlobals());

  test("peer ids are those of libp2p, and all libraries agree on signatures", async () => {
    const seed = new Uint8Array(32).fill(how.length);
    const signer = signerOf(seed);
    expect(signer.peer).toBe((await generateKeyPairFromSeed("Ed25519", seed)).publicKey.toString());
    const message = new TextEncoder().encode("a message");
    const signature = await signer.sign(message);
    expect(signature).toEqual(syncSigner(seed).signNow(message).signature);
    for (const check of [checkSignature, checkNative]) {
      expect(await check(signer.peer, message, signature)).toBe(true);
      expect(await check(signer.peer, message.slice(1), signature)).toBe(false);
      expect(await check(signer.peer, message, signature.subarray(1))).toBe(false);
      expect(await check(newSigner().peer, message, signature)).toBe(false);
      expect(await check(signer.peer, message, new Uint8Array(64).fill(255))).toBe(false);
      expect(await check(asPeerId("12D3KooWnonsense"), message, signature)).toBe(false);
    }
  });
});

test("an id that contains no key is refused", () => {
  expect(() => publicKeyOf(asPeerId("QmNot"))).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
});

test("a receipt of a task, and one of a span between two neighbours, are in order and survive the wire", () => {
  const task = taskReceipt({ worker, requester, witnesses: [witness], verdict: "quorum" });
  const span = receiptOf(layers({ start: 2, end: 4 }, witness, second), { worker, requester }, [witness, second]);
  const whole = receiptOf(layers({ start: 0, end: 8 }), { worker, requester });
  for (const receipt of [task, span, whole]) {
    expect(fault(receipt)).toBeUndefined();
    const read = readReceipt(decode(encode(receipt)));
    expect(read).toEqual(receipt);
    expect(fault(read)).toBeUndefined();
  }
});

test("a neighbour that left does not cost the worker its pay if the work was computed again", () => {
  const audited = receiptOf(
    layers({ start: 2, end: 4 }, witness, second),
    { worker, requester, witnesses: [stranger], verdict: "audited" },
    [],
  );
  expect(fault(audited)).toBeUndefined();
});

test("a claim is the worker's alone", async () => {
  const work = { kind: "task" as const, task: "bafytaskclaim", taskKind: "map", units: 1, replica: 0 };
  const claim = await claimWork(worker, { work, requester: requester.peer, result: new Uint8Array(32), finishedMs: now });
  expect(await verifyClaim(claim)).toBe(true);
  expect(await verifyClaim({ ...claim, claim: { ...claim.claim, finishedMs: now + 1 } })).toBe(false);
  expect(await verifyClaim({ ...claim, signature: { ...claim.signature, peer: stranger.peer } })).toBe(false);
});

describe("refused", () => {
  const good = taskReceipt({ worker, requester, witnesses: [witness], verdict: "quorum" });
  const altered = (change: (receipt: Receipt) => void): Receipt => {
    const copy = structuredClone(good);
    change(copy);
    return copy;
  };
  const sign = (receipt: Receipt, index: number) => receipt.signatures[index] as Receipt["signatures"][number];
  test.each<[string, Receipt, string]>([
    ["a worker that is its own requester", taskReceipt({ worker, requester: worker }), "self-dealing"],
    ["a worker that is its own witness", taskReceipt({ worker, requester, witnesses: [worker] }), "self-dealing"],
    [
      "a worker that is its own neighbour",
      receiptOf(layers({ start: 2, end: 4 }, worker, second), { worker, requester }, [second]),
      "self-dealing",
    ],
    ["a requester that is its own witness", taskReceipt({ worker, requester, witnesses: [requester] }), "self-dealing"],
    ["a witness twice", taskReceipt({ worker, requester, witnesses: [witness, witness] }), "self-dealing"],
    ["a quorum of one", taskReceipt({ worker, requester, verdict: "quorum" }), "too-few-witnesses"],
    ["an audit by nobody", taskReceipt({ worker, requester, verdict: "audited" }), "too-few-witnesses"],
    ["an accusation by one witness", taskReceipt({ worker, requester, witnesses: [witness], verdict: "wrong" }), "too-few-witnesses"],
    ["a clock far ahead", taskReceipt({ worker, requester, finishedMs: now + RECEIPT_RULES.aheadMs + 60_000 }), "too-early"],
    ["an old receipt", taskReceipt({ worker, requester, finishedMs: now - RECEIPT_RULES.ageMs - 1000 }), "too-old"],
    [
      "a neighbour that did not sign",
      receiptOf(layers({ start: 2, end: 4 }, witness, second), { worker, requester }, [witness]),
      "missing-signature",
    ],
    [
      "a neighbour that did not sign, although a witness did",
      receiptOf(layers({ start: 2, end: 4 }, witness, second), { worker, requester, witnesses: [second], verdict: "unchecked" }, []),
      "missing-signature",
    ],
    [
      "an audit whose witness did not sign",
      {
        ...receiptOf(layers({ start: 2, end: 4 }, witness, second), { worker, requester, witnesses: [stranger], verdict: "audited" }, []),
        signatures: receiptOf(layers({ start: 2, end: 4 }, witness, second), { worker, requester }, [witness, second]).signatures,
      },
      "missing-signature",
    ],
    ["a witness that did not sign", altered((receipt) => receipt.signatures.pop()), "missing-signature"],
    [
      "a signature of the worker in place of the requester's",
      altered((receipt) => (sign(receipt, 1).signature = sign(receipt, 0).signature)),
      "bad-signature",
    ],
    ["another worker's name", altered((receipt) => (receipt.statement.claim.worker = stranger.peer)), "missing-signature"],
    ["other units", altered(({ statement: { claim } }) => claim.work.kind === "task" && (claim.work.units = 99)), "bad-signature"],
    ["another verdict", altered((receipt) => (receipt.statement.verdict = "audited")), "bad-signature"],
    ["another reservation", altered((receipt) => (receipt.statement.reservation = "ab".repeat(16))), "bad-signature"],
    [
      "an extra signature of a stranger",
      altered((receipt) => receipt.signatures.push({ ...sign(receipt, 0), peer: stranger.peer })),
      "bad-signature",
    ],
    ["two signatures of one peer", altered((receipt) => receipt.signatures.push(sign(receipt, 0))), "bad-signature"],
  ])("%s", (_name, receipt, reason) => {
    expect(fault(receipt)).toBe(reason);
  });

  test("the requester's signature under a claim is none under the statement: kinds of records are kept apart", () => {
    const other = taskReceipt({ worker: requester, requester: worker });
    const swapped = altered((receipt) => (sign(receipt, 1).signature = sign(other, 0).signature));
    expect(fault(swapped)).toBe("bad-signature");
  });

  test("any single byte that is changed", () => {
    const bytes = encode(good);
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
        const changed = bytes.slice();
        changed[index] = (changed[index] ?? 0) ^ flip;
        let receipt: Receipt;
        try {
          receipt = readReceipt(decode(changed));
        } catch {
          return; // not even a receipt
        }
        expect(findFault(receipt, checkNative, now)).toBeDefined();
      }),
      { numRuns: 600 },
    );
  });

  test.each([
    ["another version", { ...good, statement: { ...good.statement, version: 2 } }],
    ["an extra field", { ...good, extra: 1 }],
    ["units of nothing", altered(({ statement: { claim } }) => claim.work.kind === "task" && (claim.work.units = 0))],
    ["units that are not a whole number", altered(({ statement: { claim } }) => claim.work.kind === "task" && (claim.work.units = 0.5))],
    ["infinite units", altered(({ statement: { claim } }) => claim.work.kind === "task" && (claim.work.units = Infinity))],
    ["a hash that is too short", altered((receipt) => (receipt.statement.claim.result = new Uint8Array(31)))],
    ["a thousand witnesses", altered((receipt) => (receipt.statement.witnesses = Array.from({ length: 1000 }, () => witness.peer)))],
    [
      "a key that is no Ed25519 key",
      altered((receipt) => (receipt.statement.claim.worker = asPeerId("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"))),
    ],
    ["nothing", undefined],
  ])("by the schema: %s", (_name, value) => {
    expect(() => readReceipt(value)).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
  });
});

describe("prices", () => {
  const cost = { layerCost: [1_000_000, 2_000_000, 3_000_000, 4_000_000], headCost: 5_000_000 };
  const costOf = (model: string) => (model === "bafymodel" ? cost : undefined);
  const price = (work: Parameters<typeof priceWork>[0]) => priceWork(work, requester.peer, { costOf, unitPrice });
  test("layer-tokens at the manifest's cost, the head with the last layer", () => {
    expect(price(layers({ start: 0, end: 2 }, requester, witness))).toEqual({ kind: "worth", micro: 30_000 });
    expect(price(layers({ start: 2, end: 4 }, witness, requester))).toEqual({ kind: "worth", micro: 120_000 });
    expect(price(layers({ start: 0, end: 4 }))).toEqual({ kind: "worth", micro: 150_000 });
    // In the middle of a route the requester's own tab may be a neighbour.
    expect(price(layers({ start: 1, end: 2 }))).toEqual({ kind: "worth", micro: 20_000 });
  });
  test.each([
    ["layers that the model does not have", layers({ start: 2, end: 5 }, witness), "bad-span"],
    ["a last span whose logits another peer got", layers({ start: 1, end: 4 }, requester, witness), "bad-span"],
    ["a first span whose tokens another peer sent", layers({ start: 0, end: 4 }, witness), "bad-span"],
    ["an unknown model", { ...layers({ start: 0, end: 4 }), model: asModelId("bafyother") }, "unknown-model"],
  ])("refused: %s", (_name, work, reason) => {
    expect(price(work)).toEqual({ kind: "refused", reason });
  });
  test("tasks by their kind's unit, and nothing for a kind that is not in the list", () => {
    for (const [taskKind, { price: each }] of Object.entries(KINDS)) {
      expect(price({ kind: "task", task: "bafytask1", taskKind, units: 3, replica: 0 })).toEqual({ kind: "worth", micro: 3 * each.micro });
    }
    for (const taskKind of ["mine", "constructor", "__proto__"]) {
      expect(price({ kind: "task", task: "bafytask1", taskKind, units: 3, replica: 0 })).toEqual({
        kind: "refused",
        reason: "unknown-kind",
      });
    }
  });
});

test("work is named by what was done, and not by the units that somebody claims", () => {
  const name = (options: { task: string; units: number; replica: number }) =>
    workId(taskReceipt({ worker, requester, ...options }).statement.claim);
  const task = "bafytasksame";
  expect(name({ task, units: 1, replica: 0 })).toBe(name({ task, units: 2, replica: 0 }));
  expect(name({ task, units: 1, replica: 0 })).not.toBe(name({ task, units: 1, replica: 1 }));
});
