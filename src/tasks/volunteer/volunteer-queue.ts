// The tasks that wait at a volunteer: each requester's in the order in which they came, requesters in turn, so that
// none starves another.
import type { PeerId } from "../../shared/ids.ts";
import type { HeldTask, RequesterLink } from "./held-task.ts";

export class VolunteerQueue {
  /** By peer, not by link: a peer with many links gets no more turns. The first peer's turn is next. */
  readonly #queues = new Map<PeerId, HeldTask[]>();

  add(held: HeldTask): void {
    const peer = held.from.link.remote;
    const queue = this.#queues.get(peer) ?? [];
    queue.push(held);
    this.#queues.set(peer, queue);
  }

  /** Removes and returns the task to compute next. */
  next(): HeldTask | undefined {
    const [first] = this.#queues;
    if (first === undefined) return undefined;
    const [peer, queue] = first;
    this.#queues.delete(peer);
    const held = queue.shift();
    if (queue.length > 0) this.#queues.set(peer, queue);
    return held;
  }

  remove(held: HeldTask): void {
    const peer = held.from.link.remote;
    const left = this.#queues.get(peer)?.filter((other) => other !== held) ?? [];
    if (left.length > 0) this.#queues.set(peer, left);
    else this.#queues.delete(peer);
  }

  /** Whether a task of this link waits. */
  has(from: RequesterLink): boolean {
    return this.#queues.get(from.link.remote)?.some((held) => held.from === from) ?? false;
  }

  all(): readonly HeldTask[] {
    return [...this.#queues.values()].flat();
  }
}
