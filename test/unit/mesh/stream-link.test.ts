// A link over real libp2p streams (WebSocket, Noise, Yamux) against a peer that breaks the rules.
import { randomBytes } from "node:crypto";
import type { Stream } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import { createLibp2p, type Libp2p } from "libp2p";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StreamLink } from "../../../src/mesh/libp2p/stream-link.ts";
import { encodeCredit, encodeGoodbye, encodeLinkFrame, LINK } from "../../../src/protocol/link-frames.ts";
import { LIMITS } from "../../../src/protocol/version.ts";
import { errorCode } from "../../../src/shared/errors.ts";
import { asPeerId } from "../../../src/shared/ids.ts";

const PROTOCOL = "/manyhands/test/1";
let server: Libp2p;
let client: Libp2p;
const arrived: PromiseWithResolvers<StreamLink>[] = [];

const node = (listen: string[]): Promise<Libp2p> =>
  createLibp2p({ addresses: { listen }, transports: [webSockets()], connectionEncrypters: [noise()], streamMuxers: [yamux()] });

beforeAll(async () => {
  [server, client] = await Promise.all([node(["/ip4/127.0.0.1/tcp/0/ws"]), node([])]);
  await server.handle(PROTOCOL, (stream, connection) => {
    arrived.shift()?.resolve(new StreamLink(stream, asPeerId(connection.remotePeer.toString())));
  });
});
afterAll(async () => {
  await Promise.all([server.stop(), client.stop()]);
});

/** Opens a bare stream at the client. Returns it, and the link at the server. */
async function pair(): Promise<{ readonly link: StreamLink; readonly raw: Stream; readonly rawClosed: Promise<void> }> {
  const next = Promise.withResolvers<StreamLink>();
  arrived.push(next);
  const raw = await client.dialProtocol(server.getMultiaddrs(), PROTOCOL);
  const rawClosed = new Promise<void>((resolve) => {
    raw.addEventListener("close", () => resolve(), { once: true });
  });
  return { link: await next.promise, raw, rawClosed };
}

const next = (link: StreamLink): Promise<IteratorResult<Uint8Array>> => link.frames[Symbol.asyncIterator]().next();
const codeOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => "no error",
    (error: unknown) => errorCode(error),
  );

test.each([
  ["a frame that says it is over the limit", Uint8Array.of(0xfe, 0xff, 0xff, 0x7f), "FRAME_TOO_LARGE"],
  ["a length that never ends", Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x01), "FRAME_MALFORMED"],
])("%s: the reader gets an error, and the stream is cut", async (_name, bytes, code) => {
  const { link, raw, rawClosed } = await pair();
  raw.send(encodeLinkFrame(Uint8Array.of(1, 2)));
  raw.send(bytes);
  expect((await next(link)).value).toEqual(Uint8Array.of(1, 2));
  expect(await codeOf(next(link))).toBe(code);
  await Promise.all([link.closed, rawClosed]);
  expect(await next(link)).toEqual({ done: true, value: undefined });
});

test("frames that are sent in one turn leave as one message", async () => {
  const { link, raw } = await pair();
  const first = Promise.withResolvers<number>();
  raw.addEventListener("message", ({ data }) => first.resolve(data.byteLength));
  await Promise.all([1, 2, 3].map((byte) => link.send(Uint8Array.of(byte))));
  expect(await first.promise).toBe(3 * encodeLinkFrame(Uint8Array.of(1)).byteLength);
  link.abort(new Error("the test is over"));
});

test("a peer that sends past its credit is cut off", async () => {
  const { link, raw } = await pair();
  const record = encodeLinkFrame(new Uint8Array(LINK.windowBytes / 4));
  for (let i = 0; i < 8 && raw.writeStatus === "writable"; i++) raw.send(record);
  await link.closed;
  for (let i = 0; i < 4; i++) expect((await next(link)).value?.byteLength).toBe(LINK.windowBytes / 4);
  expect(await codeOf(next(link))).toBe("FRAME_TOO_LARGE");
});

test("a flood of empty frames is bounded as well", async () => {
  const { link, raw } = await pair();
  raw.send(new Uint8Array(LINK.windowBytes / LINK.frameCostBytes + 10)); // zeros: each an empty frame
  await link.closed;
  let count = 0;
  while (
    await next(link).then(
      ({ done }) => done !== true,
      () => false,
    )
  )
    count++;
  expect(count).toBeLessThanOrEqual(LINK.windowBytes / LINK.frameCostBytes);
});

test("credit that was never owed does no harm, and neither do two goodbyes", async () => {
  const { link, raw } = await pair();
  raw.send(encodeCredit(LIMITS.frameBytes));
  raw.send(encodeLinkFrame(Uint8Array.of(7)));
  raw.send(encodeGoodbye());
  raw.send(encodeGoodbye());
  expect((await next(link)).value).toEqual(Uint8Array.of(7));
  expect((await next(link)).done).toBe(true);
  expect(link.lost).toBe(false);
  await raw.close();
  await link.closed;
});

test("an end in the middle of a frame is a loss", async () => {
  const { link, raw } = await pair();
  raw.send(encodeLinkFrame(randomBytes(100)).subarray(0, 50));
  await raw.close();
  expect(await codeOf(next(link))).toBe("PEER_LOST");
  expect(link.lost).toBe(true);
});

test("an end without a goodbye is a loss", async () => {
  const { link, raw } = await pair();
  await raw.close();
  expect(await codeOf(next(link))).toBe("PEER_LOST");
});

test("close gives up on a peer that never replies", async () => {
  const { link, raw } = await pair();
  raw.pause();
  await link.close();
  await link.closed;
  expect(raw.status === "open" || raw.status === "reset").toBe(true);
  raw.abort(new Error("test over"));
});
