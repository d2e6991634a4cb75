// One peer's stream as the relay's services use it: requests come in frames, what is under way is held to a window, goodbyes are said.
import { decodeFrame } from "../../src/protocol/frame.ts";
import { encodeCredit, encodeGoodbye, encodeLinkFrame, frameCost, LINK, LinkFrameReader } from "../../src/protocol/link-frames.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { PeerStream } from "./peer-stream.ts";

/** A frame that is made once and sent to many. */
export interface FrameRecord {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly cost: number;
}

export const frameRecord = (frame: Uint8Array<ArrayBuffer>): FrameRecord => ({
  bytes: encodeLinkFrame(frame),
  cost: frameCost(frame.byteLength),
});

export interface PeerFramesEvents {
  /** A request: its header as plain data, and what came with it. What this throws is a breach. */
  requested(header: unknown, payload: Uint8Array): void;
  /** The peer has taken some of what it was sent. */
  credited?(): void;
  /** The peer broke the protocol; its stream is cut off. */
  broke(error: Error): void;
  /** However it ended, once. */
  gone(): void;
}

export class PeerFrames {
  readonly #stream: PeerStream;
  readonly #events: PeerFramesEvents;
  /** Cost of what it was sent and has not credited. */
  #underWay = 0;
  #isOver = false;

  /** To be made in the turn in which the stream was handed over. `maxBytes`: of one request. */
  constructor(stream: PeerStream, maxBytes: number, events: PeerFramesEvents) {
    this.#stream = stream;
    this.#events = events;
    const reader = new LinkFrameReader(
      {
        frame: (frame) => this.#take(frame),
        credit: (sizeBytes) => {
          this.#underWay = Math.max(0, this.#underWay - sizeBytes);
          events.credited?.();
        },
        goodbye: () => this.#left(),
      },
      maxBytes,
    );
    stream.listen({
      bytes: (chunk) => {
        if (this.#isOver) return; // a breach earlier in the same message
        try {
          reader.push(chunk);
        } catch (error) {
          events.broke(error as Error); // reader, schemas and services throw nothing but ManyhandsError
          stream.abort(error as Error);
          this.#end();
        }
      },
      ended: () => this.#left(),
      closed: () => this.#end(),
    });
  }

  get peer(): PeerId {
    return this.#stream.peer;
  }

  get isWritable(): boolean {
    return this.#stream.writable;
  }

  /** Whether it has more to take than a window: what is sent now would pile up. */
  get isBehind(): boolean {
    return this.#underWay >= LINK.windowBytes || this.#stream.full;
  }

  send({ bytes, cost }: FrameRecord): void {
    this.#underWay += cost;
    this.#stream.send(bytes);
  }

  abort(reason: Error): void {
    this.#stream.abort(reason);
  }

  /** Says goodbye and cuts the stream: the relay stops. */
  stop(): void {
    if (this.#stream.writable) this.#stream.send(encodeGoodbye());
    this.#stream.abort(new Error("the relay stops"));
  }

  #take(bytes: Uint8Array): void {
    const { header, payload } = decodeFrame(bytes);
    if (this.#stream.writable) this.#stream.send(encodeCredit(frameCost(bytes.byteLength)));
    this.#events.requested(header, payload);
  }

  /** The peer closed its side in good order. */
  #left(): void {
    if (this.#isOver) return;
    this.#end();
    if (this.#stream.writable) this.#stream.send(encodeGoodbye());
    this.#stream.close();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.gone();
  }
}
