// Peers that send every frame back, and a frame that goes there and back.
import type { Link } from "../../src/mesh/ports/link.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";

/** Fails a test rather than hang it. */
export const soon = (): AbortSignal => AbortSignal.timeout(10_000);

/** Sends every frame of `link` back, until the link ends. */
export function echoLink(link: Link): void {
  void (async () => {
    for await (const frame of link.frames) await link.send(frame);
  })().catch(() => undefined); // the other side went away, as tests do
}

/** Accepts links of `protocol`, and sends their frames back. */
export function echo(mesh: Pick<Mesh, "handle">, protocol: string): void {
  mesh.handle(protocol, echoLink);
}

/** Sends `frame`, and returns the next frame that comes. */
export async function roundTrip(link: Link, frame: Uint8Array): Promise<Uint8Array> {
  await link.send(frame, soon());
  return (await link.frames[Symbol.asyncIterator]().next()).value as Uint8Array;
}
