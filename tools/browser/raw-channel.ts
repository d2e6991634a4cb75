// A bare data channel between two tabs, without any code of this project: the least that a hop can cost.
import type { Page } from "playwright-core";

export interface RawChannelOptions {
  /** Bytes of each `send` at most: larger messages are sliced. */
  readonly sliceBytes: number;
}

export interface Ping {
  /** Milliseconds from the first `send` until the whole message was at the other tab, by the machine's clock. */
  readonly thereMs: number;
  /** Milliseconds until the whole message was back. */
  readonly roundTripMs: number;
}

interface PageSide {
  offer(): Promise<string>;
  answer(sdp: string): Promise<string>;
  accept(sdp: string): Promise<void>;
  ping(bytes: number): Promise<Ping>;
  ports(): Promise<readonly number[]>;
}

type RawGlobal = typeof globalThis & { manyhandsRaw: PageSide };

export class RawChannel {
  readonly #from: Page;
  readonly #to: Page;

  private constructor(from: Page, to: Page) {
    this.#from = from;
    this.#to = to;
  }

  /** Both pages must be secure contexts (`http://localhost` is one). */
  static async open(from: Page, to: Page, options: RawChannelOptions): Promise<RawChannel> {
    for (const page of [from, to]) await page.evaluate(makeSide, options);
    const offer = await from.evaluate(() => (globalThis as RawGlobal).manyhandsRaw.offer());
    const answer = await to.evaluate((sdp) => (globalThis as RawGlobal).manyhandsRaw.answer(sdp), offer);
    await from.evaluate((sdp) => (globalThis as RawGlobal).manyhandsRaw.accept(sdp), answer);
    return new RawChannel(from, to);
  }

  /** Sends `bytes` there and back, `count` times, one after the other. */
  async ping(bytes: number, count: number): Promise<readonly Ping[]> {
    const pings: Ping[] = [];
    for (let index = 0; index < count; index++)
      pings.push(await this.#from.evaluate((size) => (globalThis as RawGlobal).manyhandsRaw.ping(size), bytes));
    return pings;
  }

  /** Resolves with the remote port of the candidate pair that each side chose. */
  async remotePorts(): Promise<readonly number[]> {
    return (
      await Promise.all([this.#from, this.#to].map((page) => page.evaluate(() => (globalThis as RawGlobal).manyhandsRaw.ports())))
    ).flat();
  }
}

/** Runs in the page. */
function makeSide({ sliceBytes }: RawChannelOptions): void {
  const connection = new RTCPeerConnection();
  const now = (): number => performance.timeOrigin + performance.now();
  /** Sends `bytes` bytes; the first four hold that number. */
  const send = (channel: RTCDataChannel, bytes: number): void => {
    for (let left = bytes; left > 0; left -= sliceBytes) {
      const slice = new Uint8Array(Math.min(left, sliceBytes));
      if (left === bytes) new DataView(slice.buffer).setUint32(0, bytes);
      channel.send(slice);
    }
  };
  /** Calls `whole` each time that all bytes of a message have come. */
  const receive = (channel: RTCDataChannel, whole: (bytes: number) => void): void => {
    channel.binaryType = "arraybuffer";
    let missing = 0;
    let bytes = 0;
    channel.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => {
      if (missing === 0) missing = bytes = new DataView(data).getUint32(0);
      missing -= data.byteLength;
      if (missing === 0) whole(bytes);
    });
  };
  const gathered = async (): Promise<string> => {
    while (connection.iceGatheringState !== "complete")
      await new Promise((resolve) => connection.addEventListener("icegatheringstatechange", resolve, { once: true }));
    return connection.localDescription?.sdp ?? "";
  };
  const channel = connection.createDataChannel("raw", { negotiated: true, id: 0 });
  const stamps = connection.createDataChannel("stamps", { negotiated: true, id: 1 });
  const open = new Promise<void>((resolve) => channel.addEventListener("open", () => resolve(), { once: true }));
  let back: () => void = () => {};
  let arrivedAt = Number.NaN;
  let calls = false;
  receive(channel, (bytes) => {
    if (calls) return back();
    const at = now();
    send(channel, bytes);
    stamps.send(String(at)); // after the echo, so that it does not delay the echo
  });
  const side: PageSide = {
    async offer() {
      calls = true;
      await connection.setLocalDescription(await connection.createOffer());
      return gathered();
    },
    async answer(sdp) {
      await connection.setRemoteDescription({ type: "offer", sdp });
      await connection.setLocalDescription(await connection.createAnswer());
      return gathered();
    },
    async accept(sdp) {
      await connection.setRemoteDescription({ type: "answer", sdp });
      await open;
    },
    async ping(bytes) {
      const stamped = new Promise<void>((resolve) => {
        stamps.addEventListener(
          "message",
          ({ data }: MessageEvent<string>) => {
            arrivedAt = Number(data);
            resolve();
          },
          { once: true },
        );
      });
      const echoed = new Promise<void>((resolve) => (back = resolve));
      const began = now();
      send(channel, bytes);
      await echoed;
      const roundTripMs = now() - began;
      await stamped;
      return { thereMs: arrivedAt - began, roundTripMs };
    },
    async ports() {
      const stats = new Map<string, Readonly<Record<string, unknown>>>(await connection.getStats());
      const pairs = [...stats.values()].filter((entry) => entry["type"] === "candidate-pair" && entry["nominated"] === true);
      return pairs.map((pair) => Number(stats.get(String(pair["remoteCandidateId"]))?.["port"]));
    },
  };
  Object.assign(globalThis, { manyhandsRaw: side });
}
