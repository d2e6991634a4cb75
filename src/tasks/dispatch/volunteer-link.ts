// The requester's link to one volunteer: opens it, reads what comes, and opens it again when it breaks, until its
// signal aborts.
import type { Link } from "../../mesh/ports/link.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import { pairPayload, readToRequester, TASK_VERSION, type ToRequester } from "../../protocol/task-frames.ts";
import { PROTOCOLS } from "../../protocol/version.ts";
import { Backoff } from "../../shared/backoff.ts";
import { type Clock, every } from "../../shared/clock.ts";
import { errorCode, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { type Log } from "../../shared/log.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { VolunteerView } from "./volunteer-view.ts";
import { TaskSender } from "../task-sender.ts";
import type { Witnesses } from "./witnesses.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at whether the volunteer still gives signs of life. */
  watchMs: 1000,
});

export interface VolunteerLinkOptions {
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  /** In [0, 1), for jitter. */
  readonly random: () => number;
  readonly dispatcher: Dispatcher;
  /** Asks volunteers for their signatures under receipts. */
  readonly witnesses?: Witnesses;
  readonly log: Log;
}

/**
 * Keeps `peer` linked until the signal aborts. Never rejects: a peer that is away is called again, less and less often.
 */
export async function linkVolunteer(peer: PeerId, options: VolunteerLinkOptions, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(options.clock, options.random);
  while (!signal.aborted) {
    try {
      const link = await options.mesh.open(peer, PROTOCOLS.task, signal);
      const hasOffered = await serve(link, options, signal);
      if (hasOffered) backoff.reset();
    } catch (error) {
      if (signal.aborted) return;
      if (errorCode(error) === "VERSION_MISMATCH") {
        options.log.info("a volunteer speaks another version", { peer });
        return;
      }
      options.log.debug("a volunteer is not reached", { peer });
    }
    try {
      await backoff.pause(() => {}, signal);
    } catch {
      return; // the signal aborted
    }
  }
}

/**
 * Resolves once the link is over, with whether the peer made an offer. Throws VERSION_MISMATCH, FRAME_MALFORMED, and
 * the codes of other rules that the peer breaks.
 */
async function serve(link: Link, { clock, dispatcher, witnesses }: VolunteerLinkOptions, signal: AbortSignal): Promise<boolean> {
  const peer = new VolunteerView(link.remote, new TaskSender(link), clock.now());
  const over = new AbortController();
  const onAbort = (): void => void link.close();
  signal.addEventListener("abort", onAbort, { once: true });
  void watch(peer, link, clock, over.signal);
  let hasOffered = false;
  try {
    for await (const bytes of link.frames) {
      const { header, payload } = decodeFrame(bytes);
      const frame = readToRequester(header);
      if (frame.kind === "offer" && frame.version !== TASK_VERSION)
        throw new ManyhandsError("VERSION_MISMATCH", `tasks of version ${frame.version} are not assigned here`);
      if (frame.kind === "offer" && !hasOffered) witnesses?.add(peer);
      hasOffered ||= frame.kind === "offer";
      if (frame.kind === "witnessed") witnesses?.replied(peer, frame.answers);
      else await receive(peer, dispatcher, frame, payload);
      dispatcher.assign();
    }
  } catch (error) {
    if (errorCode(error) !== "PEER_LOST") {
      link.abort(error instanceof Error ? error : new Error("the link broke"));
      throw error;
    }
  } finally {
    over.abort();
    signal.removeEventListener("abort", onAbort);
    witnesses?.remove(peer);
    dispatcher.lost(peer);
    await link.close();
  }
  return hasOffered;
}

async function receive(
  peer: VolunteerView,
  dispatcher: Dispatcher,
  frame: Exclude<ToRequester, { kind: "witnessed" }>,
  payload: Uint8Array,
): Promise<void> {
  switch (frame.kind) {
    case "offer":
      peer.offers(frame.kinds, frame.slots);
      dispatcher.offered(peer);
      return;
    case "progress":
      for (const { lease, step } of frame.leases) dispatcher.progressed(peer, lease, step);
      return;
    case "commit":
      for (const { lease, digest } of frame.commits) dispatcher.committed(peer, lease, digest);
      return;
    case "result":
      await Promise.all(
        pairPayload(payload, frame.results).map(([{ lease, salt, claim }, output]) =>
          dispatcher.delivered(peer, lease, salt, output, claim),
        ),
      );
      return;
    case "refuse":
      dispatcher.refused(peer, frame.lease, frame.reason, frame.message);
  }
}

/**
 * Breaks the link to a volunteer that holds tasks and gives no sign of life: other volunteers get all of its tasks at
 * once.
 */
const watch = (peer: VolunteerView, link: Link, clock: Clock, signal: AbortSignal): Promise<void> =>
  every(clock, DEFAULTS.watchMs, signal, () => {
    if (peer.isSilent(clock.now())) link.abort(new ManyhandsError("TIMEOUT", "the volunteer gives no sign"));
  });
