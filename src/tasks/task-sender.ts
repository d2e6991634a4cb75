// Sends frames about many small things: what is queued in one turn leaves in as few frames as the limits allow, in
// order.
import type { Link } from "../mesh/ports/link.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { TASK_LIMITS, type ToRequester, type ToVolunteer } from "../protocol/task-frames.ts";
import { concatBytes } from "../shared/bytes.ts";

type AnyFrame = ToVolunteer | ToRequester;

/** One frame's header and payload, before it is joined with other frames of its kind. */
interface Piece {
  readonly header: AnyFrame;
  readonly payload: readonly Uint8Array[];
}

export class TaskSender {
  readonly #link: Link;
  #pieces: Piece[] = [];
  #tail: Promise<void> = Promise.resolve();

  constructor(link: Link) {
    this.#link = link;
  }

  queue(header: AnyFrame, payload: readonly Uint8Array[] = []): void {
    this.#pieces.push({ header, payload });
  }

  /** Sends everything that is queued. Throws nothing: the reader of a lost link learns of the loss. */
  flush(): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    const frames = joined(pieces).map(({ header, payload }) => encodeFrame(header, concatBytes(payload)));
    this.#tail = this.#tail.then(async () => {
      try {
        await Promise.all(frames.map((frame) => this.#link.send(frame))); // in one go, so that they leave together
      } catch {
        this.#link.abort(new Error("the link is lost")); // this ends its frames, and with them the loop that reads them
      }
    });
  }
}

/** Consecutive frames of one kind become one frame while they fit. */
function joined(pieces: readonly Piece[]): Piece[] {
  const out: { header: AnyFrame; payload: Uint8Array[]; bytes: number }[] = [];
  for (const { header, payload } of pieces) {
    const bytes = payload.reduce((sum, part) => sum + part.byteLength, 0);
    const last = out.at(-1);
    const both = last === undefined || last.bytes + bytes > TASK_LIMITS.batchBytes ? undefined : join(last.header, header);
    if (last === undefined || both === undefined) out.push({ header, payload: [...payload], bytes });
    else {
      last.header = both;
      last.bytes += bytes;
      last.payload.push(...payload);
    }
  }
  return out;
}

/** Undefined if the two are not lists of one kind, or are too long together. */
function join(a: AnyFrame, b: AnyFrame): AnyFrame | undefined {
  const both = joinLists(a, b);
  if (both === undefined) return undefined;
  const list: unknown = Object.values(both).find((value) => Array.isArray(value));
  return Array.isArray(list) && list.length <= TASK_LIMITS.batch ? both : undefined;
}

function joinLists(a: AnyFrame, b: AnyFrame): AnyFrame | undefined {
  if (a.kind === "lend" && b.kind === "lend") return { kind: "lend", leases: [...a.leases, ...b.leases] };
  if (a.kind === "reveal" && b.kind === "reveal") return { kind: "reveal", reveals: [...a.reveals, ...b.reveals] };
  if (a.kind === "cancel" && b.kind === "cancel") return { kind: "cancel", leases: [...a.leases, ...b.leases] };
  if (a.kind === "progress" && b.kind === "progress") return { kind: "progress", leases: [...a.leases, ...b.leases] };
  if (a.kind === "commit" && b.kind === "commit") return { kind: "commit", commits: [...a.commits, ...b.commits] };
  if (a.kind === "result" && b.kind === "result") return { kind: "result", results: [...a.results, ...b.results] };
  if (a.kind === "witness" && b.kind === "witness") return { kind: "witness", asks: [...a.asks, ...b.asks] };
  if (a.kind === "witnessed" && b.kind === "witnessed") return { kind: "witnessed", answers: [...a.answers, ...b.answers] };
  if (a.kind === "receipt" && b.kind === "receipt") return { kind: "receipt", sizes: [...a.sizes, ...b.sizes] };
  return undefined;
}
