// The contract of every mesh: one suite, which runs over each implementation.
import { describe, expect, test } from "vitest";
import type { Link } from "../../src/mesh/ports/link.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";
import { LINK } from "../../src/protocol/link-frames.ts";
import { LIMITS } from "../../src/protocol/version.ts";
import { errorCode } from "../../src/shared/errors.ts";
import { asPeerId } from "../../src/shared/ids.ts";

export interface MeshHarness {
  /** Two peers that can reach each other, the same for all tests. For a loopback both are the same peer. */
  readonly caller: Mesh;
  readonly callee: Mesh;
  /**
   * Makes a further peer that `caller` can reach and that can be killed without a goodbye. Undefined if peers cannot
   * die.
   */
  readonly mortal: (() => Promise<{ readonly mesh: Mesh; readonly kill: () => void }>) | undefined;
}

/** A well-formed peer id that nobody has. */
const NOBODY = asPeerId("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN");

let protocols = 0;
const newProtocol = (): string => `/manyhands/test-${++protocols}/1`;

/** Fails a test rather than hang it. Nine megabytes, of which a busy machine dropped half, take a browser 13 s. */
const soon = (): AbortSignal => AbortSignal.timeout(40_000);

/** Opens a link from caller to callee. Returns both ends. */
async function openPair(mesh: MeshHarness): Promise<{ readonly near: Link; readonly far: Link; readonly remove: () => void }> {
  const protocol = newProtocol();
  const accepted = Promise.withResolvers<Link>();
  const remove = mesh.callee.handle(protocol, accepted.resolve);
  const near = await mesh.caller.open(mesh.callee.self, protocol, soon());
  return { near, far: await accepted.promise, remove };
}

/** Returns bytes that differ by position and by `seed`. */
function pattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed) & 0xff;
  return bytes;
}

async function readFrame(link: Link): Promise<Uint8Array> {
  const { done, value } = await link.frames[Symbol.asyncIterator]().next();
  if (done === true) throw new Error("the link ended");
  return value;
}

async function readAll(link: Link): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const frame of link.frames) frames.push(frame);
  return frames;
}

const codeOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => "no error",
    (error: unknown) => errorCode(error) ?? String(error),
  );

function expectSame(got: Uint8Array | undefined, wanted: Uint8Array): void {
  // To compare megabytes with toEqual takes seconds, and the first difference says as much.
  expect(got?.byteLength).toBe(wanted.byteLength);
  expect(wanted.findIndex((byte, i) => got?.[i] !== byte)).toBe(-1);
}

/** Declares the suite. `harness` returns the same meshes each time. */
export function describeMeshContract(name: string, harness: () => MeshHarness): void {
  describe(`mesh contract: ${name}`, () => {
    test("both ends know each other", async () => {
      const { near, far, remove } = await openPair(harness());
      expect(near.remote).toBe(harness().callee.self);
      expect(far.remote).toBe(harness().caller.self);
      remove();
      await near.close();
    });

    test("frames come whole and in order, in both directions", async () => {
      const { near, far, remove } = await openPair(harness());
      const sizes = [0, 1, 63, 64, 127, 128, 3000, 16_000, 16_383, 16_384, 40_000, 5, 0, 200_000];
      const sent = sizes.map((size, i) => pattern(size, i));
      const pump = async (link: Link): Promise<void> => {
        for (const frame of sent) await link.send(frame, soon());
        await link.close();
      };
      const [there, back] = await Promise.all([readAll(far), readAll(near), pump(near).then(() => undefined)]);
      expect(there.length).toBe(sent.length);
      there.forEach((frame, i) => expectSame(frame, sent[i] as Uint8Array));
      expect(back).toEqual([]);
      remove();

      const second = await openPair(harness());
      const [returned] = await Promise.all([readAll(second.near), pump(second.far)]);
      returned.forEach((frame, i) => expectSame(frame, sent[i] as Uint8Array));
      expect(returned.length).toBe(sent.length);
      second.remove();
    });

    test("a sender may overwrite its array once send has resolved", async () => {
      const { near, far, remove } = await openPair(harness());
      const bytes = pattern(300_000, 1);
      await near.send(bytes, soon());
      bytes.fill(0);
      expectSame(await readFrame(far), pattern(300_000, 1));
      remove();
      await near.close();
    });

    test("a frame at the limit passes, and one over it is refused without harm to the link", async () => {
      const { near, far, remove } = await openPair(harness());
      expect(await codeOf(near.send(new Uint8Array(LIMITS.frameBytes + 1)))).toBe("FRAME_TOO_LARGE");
      const biggest = pattern(LIMITS.frameBytes, 9);
      const [got] = await Promise.all([readFrame(far), near.send(biggest, soon())]);
      expectSame(got, biggest);
      await near.send(pattern(10, 3), soon());
      expectSame(await readFrame(far), pattern(10, 3));
      remove();
      await near.close();
    });

    test("a reader that does not read makes the sender wait", async () => {
      const { near, far, remove } = await openPair(harness());
      const frame = pattern(64 * 1024, 2);
      const enough = Math.ceil(LINK.windowBytes / frame.byteLength) + 2;
      let accepted = 0;
      const sending = (async () => {
        for (let i = 0; i < enough * 2; i++) {
          await near.send(frame, soon());
          accepted++;
        }
      })();
      // The sender stops only once the window is full. Later frames of another link show that it had the time to go on.
      const probe = await openPair(harness());
      for (let i = 0; i < 20; i++) {
        await probe.near.send(frame, soon());
        await readFrame(probe.far);
      }
      expect(accepted).toBeLessThanOrEqual(enough);
      for (let i = 0; i < enough * 2; i++) expectSame(await readFrame(far), frame);
      await sending;
      expect(accepted).toBe(enough * 2);
      remove();
      probe.remove();
      await Promise.all([near.close(), probe.near.close()]);
    });

    test("a send that waits can be cancelled, and the next one goes through", async () => {
      const { near, far, remove } = await openPair(harness());
      const frame = pattern(LINK.windowBytes, 4);
      await near.send(frame, soon());
      const controller = new AbortController();
      const waiting = near.send(pattern(10, 5), controller.signal);
      const reason = new Error("cancelled");
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      expectSame(await readFrame(far), frame);
      await near.send(pattern(20, 6), soon());
      expectSame(await readFrame(far), pattern(20, 6));
      remove();
      await near.close();
    });

    test("a send with an aborted signal sends nothing", async () => {
      const { near, far, remove } = await openPair(harness());
      const reason = new Error("no");
      await expect(near.send(pattern(3, 1), AbortSignal.abort(reason))).rejects.toBe(reason);
      await near.close();
      expect(await readAll(far)).toEqual([]);
      remove();
    });

    test("close flushes what was sent, then both ends are closed", async () => {
      const { near, far, remove } = await openPair(harness());
      const sends = Array.from({ length: 50 }, (_, i) => near.send(pattern(50_000, i), soon()));
      const closing = near.close();
      const got = await readAll(far);
      await Promise.all([...sends, closing, near.close(), near.closed, far.closed]);
      expect(got.length).toBe(50);
      got.forEach((frame, i) => expectSame(frame, pattern(50_000, i)));
      expect(await codeOf(near.send(pattern(1, 1)))).toBe("PEER_LOST");
      expect(await codeOf(far.send(pattern(1, 1)))).toBe("PEER_LOST");
      expect(await readAll(near)).toEqual([]);
      await far.close();
      remove();
    });

    test("an abort closes both ends at once, and the other end sees a loss", async () => {
      const { near, far, remove } = await openPair(harness());
      const reading = codeOf(readAll(far));
      near.abort(new Error("broke the protocol"));
      near.abort(new Error("twice"));
      expect(await reading).toBe("PEER_LOST");
      await Promise.all([near.closed, far.closed]);
      expect(await codeOf(near.send(pattern(1, 1)))).toBe("PEER_LOST");
      expect(await codeOf(far.send(pattern(1, 1)))).toBe("PEER_LOST");
      expect(await readAll(near)).toEqual([]);
      remove();
    });

    test("many links at once do not mix", async () => {
      const mesh = harness();
      const protocol = newProtocol();
      const remove = mesh.callee.handle(protocol, (link) => {
        void (async () => {
          for await (const frame of link.frames) await link.send(frame, soon());
        })();
      });
      const echo = async (seed: number): Promise<void> => {
        const link = await mesh.caller.open(mesh.callee.self, protocol, soon());
        for (let i = 0; i < 10; i++) {
          await link.send(pattern(1000 * (seed + 1), seed + i), soon());
          expectSame(await readFrame(link), pattern(1000 * (seed + 1), seed + i));
        }
        await link.close();
      };
      await Promise.all(Array.from({ length: 20 }, (_, seed) => echo(seed)));
      remove();
    });

    test("an unknown id, no handler, a removed handler: PEER_UNREACHABLE", async () => {
      const mesh = harness();
      expect(await codeOf(mesh.caller.open(NOBODY, newProtocol(), soon()))).toBe("PEER_UNREACHABLE");
      expect(await codeOf(mesh.caller.open(asPeerId("not/an/id"), newProtocol(), soon()))).toBe("PEER_UNREACHABLE");
      expect(await codeOf(mesh.caller.open(mesh.callee.self, newProtocol(), soon()))).toBe("PEER_UNREACHABLE");
      const protocol = newProtocol();
      mesh.callee.handle(protocol, (link) => void link.close())();
      expect(await codeOf(mesh.caller.open(mesh.callee.self, protocol, soon()))).toBe("PEER_UNREACHABLE");
    });

    test("there is one handler for each protocol, and another may follow once it is removed", async () => {
      const mesh = harness();
      const protocol = newProtocol();
      const remove = mesh.callee.handle(protocol, (link) => link.abort(new Error("the old one")));
      expect(() => mesh.callee.handle(protocol, () => undefined)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
      remove();
      remove();
      const removeNew = mesh.callee.handle(protocol, (link) => void link.send(pattern(4, 4)));
      const link = await mesh.caller.open(mesh.callee.self, protocol, soon());
      expectSame(await readFrame(link), pattern(4, 4));
      removeNew();
      await link.close();
    });

    test("opening with an aborted signal rejects with its reason", async () => {
      const reason = new Error("changed my mind");
      await expect(harness().caller.open(harness().callee.self, newProtocol(), AbortSignal.abort(reason))).rejects.toBe(reason);
    });

    test("a reader that breaks out of the frames and reads on loses nothing", async () => {
      const { near, far, remove } = await openPair(harness());
      for (let i = 0; i < 3; i++) await near.send(pattern(5, i), soon());
      for await (const frame of far.frames) {
        expectSame(frame, pattern(5, 0));
        break;
      }
      expectSame(await readFrame(far), pattern(5, 1));
      expectSame(await readFrame(far), pattern(5, 2));
      remove();
      await near.close();
    });

    test("a peer that dies is noticed: frames throw, sends that wait reject, new links fail", async (context) => {
      const mesh = harness();
      if (mesh.mortal === undefined) return context.skip("the callee is the caller, and cannot die before it");
      const { mesh: mortal, kill } = await mesh.mortal();
      const protocol = newProtocol();
      const accepted = Promise.withResolvers<Link>();
      mortal.handle(protocol, accepted.resolve);
      const near = await mesh.caller.open(mortal.self, protocol, soon());
      const far = await accepted.promise;
      await far.send(pattern(7, 7), soon());
      expectSame(await readFrame(near), pattern(7, 7));
      await near.send(pattern(LINK.windowBytes, 1), soon());
      const waiting = codeOf(near.send(pattern(1, 1), soon()));
      const reading = codeOf(readAll(near));
      kill();
      expect(await reading).toBe("PEER_LOST");
      expect(await waiting).toBe("PEER_LOST");
      await near.closed;
      expect(await codeOf(near.send(pattern(1, 1)))).toBe("PEER_LOST");
      expect(await codeOf(mesh.caller.open(mortal.self, protocol, soon()))).toBe("PEER_UNREACHABLE");
    });
  });
}
