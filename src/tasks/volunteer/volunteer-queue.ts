// The tasks that wait at a volunteer: each requester's in the order in which they came, requesters in turn, so that none starves another.
import type { PeerId } from "../../shared/ids.ts";
import type { Held, Requester } from "./held-task.ts";

export class VolunteerQueue {
  /** By peer, not by link: many links give nobody more turns. The first one's turn is next. */
  readonly #lines = new Map<PeerId, Held[]>();

  add(held: Held): void {
    const peer = held.owner.link.remote;
    const line = this.#lines.get(peer) ?? [];
    line.push(held);
    this.#lines.set(peer, line);
  }

  /** The next to be computed, no longer in the line. */
  take(): Held | undefined {
    const [first] = this.#lines;
    if (first === undefined) return undefined;
    const [peer, line] = first;
    this.#lines.delete(peer);
    const held = line.shift();
    if (line.length > 0) this.#lines.set(peer, line);
    return held;
  }

  remove(held: Held): void {
    const peer = held.owner.link.remote;
    const left = this.#lines.get(peer)?.filter((other) => other !== held) ?? [];
    if (left.length > 0) this.#lines.set(peer, left);
    else this.#lines.delete(peer);
  }

  /** Whether anything of this link waits. */
  has(owner: Requester): boolean {
    return this.#lines.get(owner.link.remote)?.some((held) => held.owner === owner) ?? false;
  }

  all(): readonly Held[] {
    return [...this.#lines.values()].flat();
  }
}
