// The state of an answer after each event of the node: no part of the answer is ever lost.
import { describe, expect, it } from "vitest";
import type { GenerateEvent, GenerateStats, Node } from "../../../src/node/face.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { ManyhandsError } from "../../../src/shared/errors.ts";
import { IDLE, advance, begin, ending, failed, isRunning, replacement, stopped } from "../../../src/ui/ask/ask-state.ts";
import { AskController } from "../../../src/ui/ask/ask-controller.ts";

const stats = (newTokens: number): GenerateStats => ({ promptTokens: 4, newTokens, timeToFirstTokenMs: 10, tokensPerSecond: 5, seed: 1 });
const token = (id: number, text: string): GenerateEvent => ({ kind: "token", token: id, text, stats: stats(id), hops: [] });
const LEFT: GenerateEvent = { kind: "waiting", reason: { kind: "gaps", gaps: [], isMidway: true }, progress: undefined };
const done: GenerateEvent = { kind: "done", reason: "stop-token", text: "", stats: stats(2), hops: [] };

describe("advance", () => {
  it("gathers text and token ids, and forgets what it waited for", () => {
    let ask = advance(begin("Once"), { kind: "waiting", reason: { kind: "looking" }, progress: undefined });
    expect(ask).toMatchObject({ status: "waiting", waiting: { message: "Looking for a route." } });
    ask = advance(advance(ask, token(1, " upon")), token(2, ""));
    expect(ask).toMatchObject({ status: "streaming", text: " upon", tokens: [1, 2], waiting: undefined });
    expect(isRunning(ask)).toBe(true);
    ask = advance(ask, done);
    expect(ask).toMatchObject({ status: "done", ended: "stop-token", text: " upon" });
    expect(isRunning(ask)).toBe(false);
  });
  it("says that others took the place of tabs that left, and shows the route as it is now", () => {
    const half = advance(advance(begin("Once"), token(1, " upon")), LEFT);
    expect(replacement(half)).toBe("");
    const event = { kind: "rerouted", lost: [asPeerId("gone")], hops: [], replayed: 5, detectMs: 1, linkMs: 2, resumeMs: 3 } as const;
    const mended = advance(half, event);
    expect(mended).toMatchObject({ waiting: undefined, text: " upon", lost: ["gone"] });
    expect(replacement(mended)).toContain("A tab left in the middle");
    expect(replacement(advance(mended, event))).toContain("2 tabs left");
  });
  it("keeps the answer so far when it waits in the middle, is stopped or fails", () => {
    const half = advance(begin("Once"), token(1, " upon"));
    expect(advance(half, LEFT).text).toBe(" upon");
    expect(stopped(half)).toMatchObject({ status: "stopped", text: " upon", prompt: "Once" });
    const lost = failed(half, { code: "PEER_LOST", message: "A tab left." });
    expect(lost).toMatchObject({ status: "failed", text: " upon", tokens: [1] });
    expect(ending(lost)).toBe("A tab left.");
  });
});

/** A node of which only `generate` is used. */
const nodeOf =
  (generate: Node["generate"]): (() => Promise<Node>) =>
  async () =>
    ({ generate }) as Node;

describe("AskController", () => {
  it("ends done", async () => {
    const askController = new AskController(
      nodeOf(async function* () {
        yield token(1, " a");
        yield done;
      }),
    );
    expect(askController.state).toBe(IDLE);
    await askController.ask("Once", {});
    expect(askController.state).toMatchObject({ status: "done", prompt: "Once", text: " a" });
  });
  it("reports a failure by its code and keeps the text", async () => {
    const askController = new AskController(
      nodeOf(async function* () {
        yield token(1, " a");
        throw new ManyhandsError("PEER_LOST", "A tab left.");
      }),
    );
    await askController.ask("Once", {});
    expect(askController.state).toMatchObject({ status: "failed", text: " a", problem: { code: "PEER_LOST", message: "A tab left." } });
  });
  it("reports that the node could not be made", async () => {
    const askController = new AskController(async () => {
      throw new ManyhandsError("RELAY_UNREACHABLE", "The relay does not answer.");
    });
    await askController.ask("Once", {});
    expect(askController.state).toMatchObject({ status: "failed", problem: { code: "RELAY_UNREACHABLE" } });
  });
  it("stops while the node is still being made", async () => {
    const askController = new AskController(() => new Promise(() => {}));
    const asked = askController.ask("Once", {});
    askController.stop();
    await asked;
    expect(askController.state.status).toBe("stopped");
  });
  it("stops in the middle, and shows nothing of an answer that a later question replaced", async () => {
    const first = Promise.withResolvers<void>();
    const askController = new AskController(
      nodeOf(async function* (prompt, _options, signal) {
        yield token(1, typeof prompt === "string" ? prompt : "");
        if (prompt === "first") {
          first.resolve();
          await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal?.reason as Error)));
        }
        yield done;
      }),
    );
    const one = askController.ask("first", {});
    await first.promise;
    const two = askController.ask("second", {});
    await Promise.all([one, two]);
    expect(askController.state).toMatchObject({ status: "done", prompt: "second", text: "second" });
  });
});
