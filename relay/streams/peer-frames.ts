// One peer's stream as the relay's services use it: reads requests as whole frames, counts what is under way against a
// window, and says goodbye.
import { decodeFrame } from "../../src/protocol/frame.ts";
import { encodeCredit, encodeGoodbye, encodeLinkFrame, frameCost, LINK, LinkFrameReader } from "../../src/protocol/link-frames.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { PeerStream } from "./peer-stream.ts";

/** A frame that is encoded once and sent to many peers. */
export interface FrameRecord {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly cost: number;
}

export const frameRecord = (frame: Uint8Array<ArrayBuffer>): FrameRecord => ({
  bytes: encodeLinkFrame(frame),
  cost: frameCost(frame.byteLength),
});

export interface PeerFramesEvents {
  /** A request came: its header as plain data, and its payload. Throws ManyhandsError if it breaks the protocol. */
  requested(header: unknown, payload: Uint8Array): void;
  /** The peer has read some of the frames that it was sent. */
  credited?(): void;
  /** The peer broke the protocol. Its stream is cut. */
  broke(error: Error): void;
  /** The stream ended in any way. Called once. */
  gone(): void;
}

export class PeerFrames {
  readonly #stream: PeerStream;
  readonly #events: PeerFramesEvents;
  /** Cost of the frames that the peer was sent and has not credited. */
  #underWay = 0;
  #isOver = false;

  /** To be called in the turn in which the stream arrived. `maxBytes`: bound of one request. */
  constructor(stream: PeerStream, maxBytes: number, events: PeerFramesEvents) {
    this.#stream = stream;
    this.#events = events;
    const reader = new LinkFrameReader(
      {
        frame: (frame) => this.#receive(frame),
        credit: (sizeBytes) => {
          this.#underWay = Math.max(0, this.#underWay - sizeBytes);
          events.credited?.();
        },
        goodbye: () => this.#leave(),
      },
      maxBytes,
    );
    stream.listen({
      bytes: (chunk) => {
        if (this.#isOver) return; // an earlier chunk of the same message was a breach
        try {
          reader.push(chunk);
        } catch (error) {
          events.broke(error as Error); // reader, schemas and services throw nothing but ManyhandsError
          stream.abort(error as Error);
          this.#end();
        }
      },
      ended: () => this.#leave(),
      closed: () => this.#end(),
    });
  }

  get peer(): PeerId {
    return this.#stream.peer;
  }

  get isWritable(): boolean {
    return this.#stream.writable;
  }

  /** Whether the peer has a whole window of frames to read. Further frames would pile up here. */
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

  /** Says goodbye and cuts the stream, because the relay stops. */
  stop(): void {
    if (this.#stream.writable) this.#stream.send(encodeGoodbye());
    this.#stream.abort(new Error("the relay stops"));
  }

  #receive(bytes: Uint8Array): void {
    const { header, payload } = decodeFrame(bytes);
    if (this.#stream.writable) this.#stream.send(encodeCredit(frameCost(bytes.byteLength)));
    this.#events.requested(header, payload);
  }

  /** The peer closed its side in good order: close this side as well. */
  #leave(): void {
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
