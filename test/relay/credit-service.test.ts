// The ledger over real streams: posting, accounts, reservations and storage proofs, and forgeries, floods and garbage.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CREDIT_SERVICE_LIMITS } from "../../relay/ledger/credit-service.ts";
import { LEDGER_RULES } from "../../relay/ledger/plan-posting.ts";
import { encodeFrame } from "../../src/protocol/frame.ts";
import { encodeLinkFrame } from "../../src/protocol/link-frames.ts";
import { encodeReceipt } from "../../src/protocol/receipt.ts";
import type { ModelId } from "../../src/shared/ids.ts";
import { asModelId, asSessionId, type PeerId, type Span } from "../../src/shared/ids.ts";
import { servingSpan } from "../../tools/sim/serving-span.ts";
import { newReservation, newSigner, receiptOf, taskReceipt, type SyncSigner } from "../../tools/soak/parts/make-receipts.ts";
import { creditHarness, EMPTY } from "./credit-harness.ts";

const { signal } = new AbortController();
let harness: Awaited<ReturnType<typeof creditHarness>>;
beforeAll(async () => {
  harness = await creditHarness();
});
afterAll(() => harness.stop());

const work = (model: ModelId, span: Span, upstream: SyncSigner, downstream: SyncSigner) => ({
  kind: "layers" as const,
  model,
  session: asSessionId(newReservation()),
  span,
  positions: { start: 0, end: 100 },
  upstream: upstream.peer,
  downstream: downstream.peer,
});

test("a route of two spans is paid by layer-tokens, each span signed by its neighbours", async () => {
  const [first, second, requester] = [await harness.join(), await harness.join(), newSigner()];
  const a = receiptOf(work(harness.model, { start: 0, end: 3 }, requester, second.signer), { worker: first.signer, requester }, [
    second.signer,
  ]);
  const b = receiptOf(work(harness.model, { start: 3, end: 8 }, first.signer, requester), { worker: second.signer, requester }, [
    first.signer,
  ]);
  const outcomes = [...(await first.client.post([encodeReceipt(a)], signal)), ...(await second.client.post([encodeReceipt(b)], signal))];
  expect(outcomes.map(({ kind }) => kind)).toEqual(["posted", "posted"]);
  const [paidA, paidB] = outcomes.map((outcome) => (outcome.kind === "posted" ? outcome.amount : 0));
  expect(paidB).toBeGreaterThan(paidA ?? 0); // more layers, and the head
  const account = await second.client.account(signal);
  expect(account.available + account.escrow).toBe(paidB);
  expect(account.history[0]).toMatchObject({ why: "receipt", about: "100 tokens through layers 3 to 7" });
  expect(Math.abs(account.nowMs - Date.now())).toBeLessThan(60_000);
});

test("sound receipts of a batch are paid and the others get a reason, in order", async () => {
  const { client, signer: worker } = await harness.join();
  const requester = newSigner();
  const good = taskReceipt({ worker, requester });
  const altered = structuredClone(good);
  if (altered.statement.claim.work.kind === "task") altered.statement.claim.work.units = 1000;
  const batch = [
    altered,
    good,
    good,
    taskReceipt({ worker, requester: worker }),
    taskReceipt({ worker, requester, taskKind: "mine" }),
    receiptOf(work(asModelId("bafyunknown"), { start: 0, end: 8 }, requester, requester), { worker, requester }),
    taskReceipt({ worker, requester, units: 1_000_000_000 }),
  ];
  expect(await client.post([...batch.map(encodeReceipt), Uint8Array.of(0xff), encodeReceipt({ ...good.statement })], signal)).toMatchObject(
    [
      { kind: "refused", reason: "bad-signature" },
      { kind: "posted" },
      { kind: "already" },
      { kind: "refused", reason: "self-dealing" },
      { kind: "refused", reason: "unknown-kind" },
      { kind: "refused", reason: "unknown-model" },
      { kind: "refused", reason: "unfunded" },
      { kind: "refused", reason: "malformed" },
      { kind: "refused", reason: "malformed" },
    ],
  );
});

test("a receipt replayed by somebody else moves nothing", async () => {
  const [victim, thief] = [await harness.join(), await harness.join()];
  const receipt = taskReceipt({ worker: victim.signer, requester: newSigner() });
  await victim.client.post([encodeReceipt(receipt)], signal);
  expect(await thief.client.post([encodeReceipt(receipt)], signal)).toEqual([{ kind: "already" }]);
  expect(await thief.client.account(signal)).toMatchObject({ available: 0, escrow: 0, history: [] });
});

test("a peer reserves credit over the wire, and releases it", async () => {
  const { client } = await harness.join();
  const id = newReservation();
  expect(await client.reserve(id, LEDGER_RULES.starter, 60_000, signal)).toBe("low");
  expect(await client.reserve(newReservation(), LEDGER_RULES.starter, 60_000, signal)).toBe("refused");
  expect(await client.account(signal)).toMatchObject({ reserved: LEDGER_RULES.starter, starterLeft: 0 });
  await client.release(id, signal);
  expect(await client.account(signal)).toMatchObject({ reserved: 0, starterLeft: LEDGER_RULES.starter });
});

test("a peer that asks too often finds the ledger busy, also over a second stream, and other peers do not", async () => {
  const flood = await harness.join();
  const ask = async (client: typeof flood.client): Promise<string> =>
    client.account(signal).then(
      () => "replied",
      (error: { readonly code?: string }) => error.code ?? "",
    );
  const replies: string[] = [];
  for (let i = 0; i < CREDIT_SERVICE_LIMITS.burst + 5; i++) replies.push(await ask(flood.client));
  expect(replies.filter((reply) => reply === "replied").length).toBe(CREDIT_SERVICE_LIMITS.burst);
  expect(replies.at(-1)).toBe("LEDGER_UNAVAILABLE");
  expect(await ask(await flood.again())).toBe("LEDGER_UNAVAILABLE");
  expect(await ask((await harness.join()).client)).toBe("replied");
  harness.clock.nowMs += 1000;
  expect(await ask(flood.client)).toBe("replied");
});

describe("garbage ends its own stream, and harms no other peer", () => {
  test.each([
    ["a frame over the limit", Uint8Array.of(0xfe, 0xff, 0xff, 0x0f)],
    ["a frame that is not CBOR", encodeLinkFrame(Uint8Array.of(3, 0xff, 0xff, 0xff))],
    ["a request of another protocol", encodeLinkFrame(encodeFrame({ kind: "watch" }))],
    ["a negative amount", encodeLinkFrame(encodeFrame({ kind: "reserve", id: 1, reservation: "ab".repeat(16), amount: -1, forMs: 1 }))],
    [
      "a time without end",
      encodeLinkFrame(encodeFrame({ kind: "reserve", id: 1, reservation: "ab".repeat(16), amount: 1, forMs: 2 ** 50 })),
    ],
    ["receipts of other sizes than the header says", encodeLinkFrame(encodeFrame({ kind: "post", id: 1, sizes: [3] }, new Uint8Array(4)))],
    ["a payload that does not belong there", encodeLinkFrame(encodeFrame({ kind: "account", id: 1 }, new Uint8Array(4)))],
    ["too many receipts", encodeLinkFrame(encodeFrame({ kind: "post", id: 1, sizes: Array(33).fill(1) }, new Uint8Array(33)))],
    ["a receipt over the limit", encodeLinkFrame(encodeFrame({ kind: "post", id: 1, sizes: [4097] }, new Uint8Array(4097)))],
  ])("%s", async (_name, bytes) => {
    const good = await harness.join();
    const bad = await harness.raw();
    const closed = new Promise<void>((resolve) => {
      bad.stream.addEventListener("close", () => resolve(), { once: true });
    });
    bad.stream.send(bytes);
    await closed;
    expect(await good.client.account(signal)).toMatchObject({ available: 0 });
  });
});

describe("storage", () => {
  const serve = (peer: PeerId): unknown =>
    harness.directory.announce(peer, {}, { ...servingSpan(harness.model, { start: 0, end: 4 }), layerMs: null }, harness.clock.nowMs);
  const challenge = (): void => {
    harness.clock.nowMs += 3 * CREDIT_SERVICE_LIMITS.challengeMs;
    harness.service.look();
  };
  /** Resolves with the credit of `peer` once it has some. */
  const earned = async (peer: PeerId): Promise<number> => {
    for (;;) {
      const { available, escrow } = await harness.ledger.account(peer);
      if (available + escrow > 0) return available + escrow;
      await new Promise((resolve) => setImmediate(resolve)); // the ledger in memory never waits: give the streams their turn
    }
  };

  test("a peer that holds a rare tile proves it and earns, and one that does not, or lies, earns nothing", async () => {
    const tiles = await harness.tiles();
    const holder = await harness.join(tiles);
    serve(holder.signer.peer);
    challenge();
    expect(await earned(holder.signer.peer)).toBe(LEDGER_RULES.storage);
    harness.directory.remove(holder.signer.peer);

    const listeners: ((value: unknown) => void)[] = [];
    const challenged = (): Promise<unknown> => new Promise((resolve) => listeners.push(resolve));
    const empty = await harness.join({
      get: (hash) => {
        listeners.shift()?.(hash);
        return EMPTY.get(hash);
      },
    });
    const liar = await harness.join({
      get: async (hash) => {
        const bytes = (await tiles.get(hash))?.slice();
        listeners.shift()?.(hash);
        return bytes?.fill(7);
      },
    });
    for (const each of [empty, liar]) {
      serve(each.signer.peer);
      const isChallenged = challenged();
      challenge();
      await isChallenged;
      await each.client.account(signal); // the proof is read before the reply to the next request
      expect(await each.client.account(signal)).toMatchObject({ available: 0, escrow: 0 });
      harness.directory.remove(each.signer.peer);
    }
  });

  test("a proof that comes too late earns nothing: the tile could have been fetched from another peer", async () => {
    const tiles = await harness.tiles();
    const read = Promise.withResolvers<void>();
    const late = await harness.join({
      get: async (hash) => {
        harness.clock.nowMs += CREDIT_SERVICE_LIMITS.proofMs + 1;
        read.resolve();
        return tiles.get(hash);
      },
    });
    serve(late.signer.peer);
    challenge();
    await read.promise;
    await late.client.account(signal); // the proof is read before the reply to the next request
    expect(await late.client.account(signal)).toMatchObject({ available: 0, escrow: 0 });
  });
});
