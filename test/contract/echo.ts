// A peer that answers every frame with itself, and a frame sent there and back.
import type { Link } from "../../src/mesh/ports/link.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";

export const soon = (): AbortSignal => AbortSignal.timeout(10_000);

/** Answers every frame of `link` with itself, until it ends. */
export function echoLink(link: Link): void {
  void (async () => {
    for await (const frame of link.frames) await link.send(frame);
  })().catch(() => undefined); // the other side went away, as tests do
}

/** Takes links of `protocol` and answers on them. */
export function echo(mesh: Pick<Mesh, "handle">, protocol: string): void {
  mesh.handle(protocol, echoLink);
}

export async function roundTrip(link: Link, frame: Uint8Array): Promise<Uint8Array> {
  await link.send(frame, soon());
  return (await link.frames[Symbol.asyncIterator]().next()).value as Uint8Array;
}
