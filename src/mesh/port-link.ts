// A link between two threads of one tab, over a message port. A worker gets a link this way if the link's transport
// cannot be transferred to it.
import type { PeerId } from "../shared/ids.ts";
import { FramedLink, type Pipe, type PipeSink } from "./framed-link.ts";
import type { Link } from "./ports/link.ts";

/**
 * Takes over one end of a message channel. `remote` is the peer at the far end of the link that the other thread joins.
 */
export function openPortLink(port: MessagePort, remote: PeerId): Link {
  return new FramedLink(new PortPipe(port), remote);
}

/**
 * Passes frames both ways until one side closes, then closes the other side. A loss of one side is passed on as a loss.
 * Calls `onBroken` with the error if the way from `a` to `b` fails.
 */
export function joinLinks(a: Link, b: Link, onBroken: (error: Error) => void): void {
  void pump(a, b, onBroken);
  void pump(b, a, () => {}); // `b` leads to a thread of our own, which breaks no protocol
}

async function pump(from: Link, to: Link, onBroken: (error: Error) => void): Promise<void> {
  try {
    for await (const frame of from.frames) await to.send(frame);
    await to.close();
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    from.abort(reason);
    to.abort(reason);
    onBroken(reason);
  }
}

/** The port carries arrays of bytes, and `null` at the end. It does not report a thread that dies. */
class PortPipe implements Pipe {
  readonly #port: MessagePort;
  #sink: PipeSink | undefined;
  #status: "open" | "ended" = "open";

  constructor(port: MessagePort) {
    this.#port = port;
  }

  attach(sink: PipeSink): void {
    this.#sink = sink;
    this.#port.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (data instanceof Uint8Array) {
        sink.bytes(data);
        return;
      }
      sink.remoteEnded();
      this.#end();
    });
    this.#port.start();
  }

  get status(): "open" | "ended" {
    return this.#status;
  }

  /** The link's own credit bounds what is under way. */
  get full(): boolean {
    return false;
  }

  send(record: Uint8Array<ArrayBuffer>): void {
    // Nobody else uses the record, so it can be transferred.
    this.#port.postMessage(record, [record.buffer]);
  }

  close(): Promise<void> {
    this.#leave();
    return Promise.resolve();
  }

  abort(): void {
    this.#leave();
  }

  #leave(): void {
    if (this.#status === "ended") return;
    this.#port.postMessage(null, []);
    this.#end();
  }

  #end(): void {
    if (this.#status === "ended") return;
    this.#status = "ended";
    queueMicrotask(() => {
      this.#port.close();
      this.#sink?.closed();
    });
  }
}
