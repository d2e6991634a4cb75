// Opens a link from one span to the next for a session, within a time limit.
import type { Link } from "../../mesh/ports/link.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import type { NextSpan, OpenFrame } from "../../protocol/session-frames.ts";
import { sessionProtocol } from "../../protocol/version.ts";
import { withDeadline } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which the next span must accept a link. */
  nextLinkMs: 10_000,
});

/** Opens a link from the span that `open` is for to the peer of the next span. Throws PEER_UNREACHABLE. */
export async function openNext(
  { mesh, clock }: { readonly mesh: Pick<Mesh, "open">; readonly clock: Clock },
  next: NextSpan,
  open: OpenFrame,
  signal: AbortSignal,
): Promise<Link> {
  const protocol = sessionProtocol(open.model, { start: open.end, end: next.end });
  const late = (): ManyhandsError => new ManyhandsError("PEER_UNREACHABLE", "the next peer did not accept a link in time");
  try {
    return await withDeadline({ clock, ms: DEFAULTS.nextLinkMs, onTimeout: late }, signal, (limit) => {
      const opening = mesh.open(next.peer, protocol, limit);
      opening.then(
        (link) => limit.aborted && link.abort(late()), // nobody waits for it any more
        () => {}, // thrown below
      );
      return opening;
    });
  } catch (cause) {
    throw new ManyhandsError("PEER_UNREACHABLE", "the next peer of the route could not be reached", { cause });
  }
}
