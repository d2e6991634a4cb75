// Runs in a page of a bench: this project's own mesh without a node above it, so that the parts of one hop can be
// timed.
import { Libp2pMesh } from "../../../src/mesh/libp2p/libp2p-mesh.ts";
import type { Link } from "../../../src/mesh/ports/link.ts";
import { RtcLink } from "../../../src/mesh/rtc/rtc-link.ts";
import { RtcMesh } from "../../../src/mesh/rtc/rtc-mesh.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/frame.ts";
import { HASH_BYTES, readSessionHeader, type StepFrame } from "../../../src/protocol/session-frames.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asPeerId, asSessionId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { JOIN_MS, untilConnected } from "../../browser/until-connected.ts";

const PROTOCOL = "/manyhands/bench-hop/1";

/** Milliseconds of the parts of one frame's way to another tab and back. */
export interface HopTimes {
  /** To serialise header and payload into the bytes of a frame. */
  readonly serialiseMs: number;
  /** Until the link had accepted the frame. */
  readonly sendMs: number;
  /** From before serialising until the other tab had read and checked the frame, by the machine's clock. */
  readonly thereMs: number;
  /** For the other tab to read the bytes into a checked header and payload. */
  readonly readMs: number;
  readonly roundTripMs: number;
}

/** `rtc` is a data channel of its own, `stream` is a stream of libp2p. */
const WAYS = Object.freeze(["rtc", "stream"] as const);
export type Way = (typeof WAYS)[number];

interface Called {
  readonly link: Link;
  readonly frames: AsyncIterator<Uint8Array>;
}

let joined: { readonly below: Libp2pMesh; readonly direct: RtcMesh } | undefined;
const called = new Map<Way, Called>();

const now = (): number => performance.timeOrigin + performance.now();

/** Joins the relay's mesh and echoes the frames of others. Resolves with this peer's id once the relay knows it. */
export async function join(relay: string): Promise<string> {
  const mesh = await Libp2pMesh.start({
    seed: crypto.getRandomValues(new Uint8Array(32)),
    relayAddresses: () => Promise.resolve([relay]),
  });
  joined = { below: mesh, direct: new RtcMesh({ below: mesh, iceServers: [], clock: systemClock, log: silentLog }) };
  joined.direct.handle(PROTOCOL, (incoming) => {
    // A frame that cannot be read ends the link, so that the other side notices.
    echo(incoming).catch((error: unknown) => incoming.abort(error instanceof Error ? error : new Error("the echo failed")));
  });
  await untilConnected(mesh);
  return mesh.self;
}

/** Opens one link for each way, for `ping`. */
export async function call(peer: string): Promise<void> {
  if (joined === undefined) throw new Error("join first");
  for (const way of WAYS) {
    const mesh = way === "rtc" ? joined.direct : joined.below;
    const link = await mesh.open(asPeerId(peer), PROTOCOL, AbortSignal.timeout(JOIN_MS));
    if (way === "rtc" && !(link instanceof RtcLink)) throw new Error("no direct connection could be made");
    called.set(way, { link, frames: link.frames[Symbol.asyncIterator]() });
  }
}

/** Sends a step with a payload of `bytes` to the other tab and back, `count` times, `pauseMs` apart. */
export async function ping(way: Way, bytes: number, count: number, pauseMs: number): Promise<readonly HopTimes[]> {
  const over = called.get(way);
  if (over === undefined) throw new Error("call first");
  const times: HopTimes[] = [];
  for (let index = 0; index < count; index++) {
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    times.push(await pingOnce(over, bytes, index));
  }
  return times;
}

async function pingOnce({ link, frames }: Called, bytes: number, position: number): Promise<HopTimes> {
  const payload = new Uint8Array(bytes);
  const began = now();
  const frame = encodeFrame(stepHeader(position), payload);
  const serialised = now();
  await link.send(frame);
  const sent = now();
  const { value } = await frames.next();
  const back = now();
  if (value === undefined) throw new Error("the link ended");
  const { payload: echoed } = decodeFrame(value as Uint8Array); // links carry bytes
  if (echoed.byteLength !== bytes) throw new Error("another payload came back");
  const stamp = await frames.next();
  const view = new DataView((stamp.value as Uint8Array).slice().buffer); // two doubles that the other tab wrote
  return {
    serialiseMs: serialised - began,
    sendMs: sent - serialised,
    thereMs: view.getFloat64(0) - began,
    readMs: view.getFloat64(8),
    roundTripMs: back - began,
  };
}

/** Returns a header like that of a decode step. */
const stepHeader = (position: number): StepFrame => ({
  kind: "step",
  session: asSessionId("0123456789abcdef0123456789abcdef"),
  position,
  count: 1,
  prefix: new Uint8Array(HASH_BYTES),
  chain: new Uint8Array(HASH_BYTES),
  truncate: false,
  replay: false,
  logitRows: 1,
  timings: [],
});

async function echo(incoming: Link): Promise<void> {
  for await (const bytes of incoming.frames) {
    const began = now();
    const { header, payload } = decodeFrame(bytes);
    readSessionHeader(header);
    const at = now();
    await incoming.send(encodeFrame(header as object, payload)); // read as a header above
    const stamp = new DataView(new ArrayBuffer(16));
    stamp.setFloat64(0, at);
    stamp.setFloat64(8, at - began);
    await incoming.send(new Uint8Array(stamp.buffer));
  }
}
