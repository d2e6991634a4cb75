// A link over a libp2p stream.
import type { Stream, StreamMessageEvent } from "@libp2p/interface";
import type { PeerId } from "../../shared/ids.ts";
import { FramedLink, type Pipe, type PipeSink } from "../framed-link.ts";

/** Takes over `stream`: nobody else may read or write it. */
export class StreamLink extends FramedLink {
  constructor(stream: Stream, remote: PeerId) {
    super(new StreamPipe(stream), remote);
  }
}

class StreamPipe implements Pipe {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  attach(sink: PipeSink): void {
    const stream = this.#stream;
    stream.addEventListener("message", ({ data }: StreamMessageEvent) => {
      if (data instanceof Uint8Array) sink.bytes(data);
      else for (const chunk of data) sink.bytes(chunk);
    });
    stream.addEventListener("drain", () => sink.drained());
    stream.addEventListener("idle", () => sink.drained());
    stream.addEventListener("remoteCloseWrite", () => sink.remoteEnded());
    stream.addEventListener("close", () => sink.closed());
  }

  get status(): "open" | "ended" {
    return this.#stream.status === "open" && this.#stream.writeStatus === "writable" ? "open" : "ended";
  }

  get full(): boolean {
    return this.#stream.writableNeedsDrain || this.#stream.writeBufferLength > 0;
  }

  send(record: Uint8Array<ArrayBuffer>): void {
    this.#stream.send(record);
  }

  close(signal: AbortSignal): Promise<void> {
    return this.#stream.close({ signal });
  }

  abort(reason: Error): void {
    this.#stream.abort(reason);
  }
}
