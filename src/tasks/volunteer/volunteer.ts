// The serving side of a peer: accepts links of requesters, computes the tasks that they assign, commits to the outputs,
// and reveals them on request.
import { sha256 } from "@noble/hashes/sha2.js";
import type { Link } from "../../mesh/ports/link.ts";
import { cutPayload, decodeFrame } from "../../protocol/frame.ts";
import {
  commitment,
  decodeTask,
  pairPayload,
  type RefusalReason,
  readToVolunteer,
  TASK_LIMITS,
  TASK_VERSION,
  type TaskClaim,
  taskId,
  type ToVolunteer,
} from "../../protocol/task-frames.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import { PeerPlaces } from "../../shared/peer-places.ts";
import { type Bytes, offered } from "../task-kind.ts";
import { TaskSender } from "../task-sender.ts";
import { type HeldTask, reasonOf, reportProgress, type RequesterLink } from "./held-task.ts";
import { runTask, type RunTaskOptions } from "./run-task.ts";
import { VolunteerQueue } from "./volunteer-queue.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for which finished small tasks wait for each other. */
  gatherMs: 5,
  /** Tasks and bytes that are held for one requester: assigned, or computed and not yet revealed. */
  heldTasks: 1024,
  heldBytes: 64 * 1024 * 1024,
  /** Links of one requester, which may come back before the loss of its old link is noticed; and of all requesters. */
  linksEach: 4,
  links: 64,
  /** Bytes that are held for all requesters together. */
  allBytes: 256 * 1024 * 1024,
});

/** A result that this volunteer claims as its own. */
export interface DoneTask {
  readonly task: TaskId;
  readonly kind: string;
  readonly units: number;
  readonly replica: number;
  readonly requester: PeerId;
  readonly resultHash: Uint8Array<ArrayBuffer>;
}

export interface VolunteerOptions extends RunTaskOptions {
  readonly self: PeerId;
  /** Returns 16 fresh random bytes. */
  readonly salt: () => Bytes;
  /** Signs for a result, so that it is paid. Without it nothing is claimed. */
  readonly claim?: (done: DoneTask) => Promise<TaskClaim>;
  /**
   * Signs a statement about a task that this peer computed as well. Resolves with undefined if the statement is not
   * true. Rejects with FRAME_MALFORMED.
   */
  readonly witness?: (requester: PeerId, statement: Bytes) => Promise<Bytes | undefined>;
  /** Takes the complete receipt of this peer's own work. Throws FRAME_MALFORMED. */
  readonly receipt?: (requester: PeerId, receipt: Bytes) => void;
}

export interface VolunteerEvents {
  /** `ms` of computing for `requester`. */
  "task:served": { readonly task: TaskId; readonly kind: string; readonly requester: PeerId; readonly ms: number };
  /** Tasks that are computed here now. */
  "running:changed": { readonly running: number };
  "task:refused": { readonly requester: PeerId; readonly reason: RefusalReason; readonly message: string };
  /** A requester broke the protocol; its link was closed. */
  "frame:refused": { readonly requester: PeerId; readonly error: unknown };
}

/** Pass links of `PROTOCOLS.task`, which `mesh.handle` brings, to `accept`. */
export class Volunteer implements Observable<VolunteerEvents> {
  readonly #options: VolunteerOptions;
  readonly #emitter = new Emitter<VolunteerEvents>();
  readonly #requesters = new Set<RequesterLink>();
  readonly #links = new PeerPlaces(DEFAULTS.linksEach);
  readonly #queue = new VolunteerQueue();
  #bytes = 0;
  #running = 0;
  #slots: number;

  constructor(options: VolunteerOptions, slots = 1) {
    this.#options = options;
    this.#slots = slots;
  }

  on<Name extends keyof VolunteerEvents>(name: Name, listener: (payload: VolunteerEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Sets how many tasks are computed at once from now on. With 0, tasks that run go on, no other task starts, and the
   * ones that wait are refused, so that other volunteers get them: that is for inference, which needs the machine.
   */
  setSlots(slots: number): void {
    this.#slots = Math.min(TASK_LIMITS.slots, slots);
    for (const held of this.#slots === 0 ? this.#queue.all() : []) {
      this.#refuse(held.from, held.lease, "busy", "inference needs this machine");
      this.#drop(held);
    }
    for (const { sender } of this.#requesters) {
      this.#offer(sender);
      sender.flush();
    }
    this.#startNext();
  }

  /** Closes the links of the requesters for which `isMeant` is true, and so ends their tasks. */
  disconnect(isMeant: (requester: PeerId) => boolean = () => true): void {
    for (const { link } of this.#requesters) if (isMeant(link.remote)) void link.close();
  }

  /** Serves one link until it closes. Never throws: a requester that breaks the protocol loses the link. */
  accept(link: Link): void {
    const leave = this.#requesters.size < DEFAULTS.links ? this.#links.acquire(link.remote) : undefined;
    if (leave === undefined) {
      link.abort(new ManyhandsError("TASK_REFUSED", "too many requesters are linked here"));
      return;
    }
    const requester: RequesterLink = { link, sender: new TaskSender(link), held: new Map(), bytes: 0, isFlushDue: false };
    this.#requesters.add(requester);
    void this.#serve(requester).finally(leave);
  }

  async #serve(requester: RequesterLink): Promise<void> {
    const { link, sender } = requester;
    const over = new AbortController();
    void reportProgress(requester, this.#options.clock, over.signal);
    this.#offer(sender);
    sender.flush();
    try {
      for await (const bytes of link.frames) {
        const { header, payload } = decodeFrame(bytes);
        await this.#receive(requester, readToVolunteer(header), payload);
        sender.flush();
      }
    } catch (error) {
      if (errorCode(error) !== "PEER_LOST") this.#emitter.emit("frame:refused", { requester: link.remote, error });
      link.abort(error instanceof Error ? error : new Error("the link broke"));
    } finally {
      over.abort();
      this.#requesters.delete(requester);
      for (const held of requester.held.values()) this.#drop(held);
      await link.close();
    }
  }

  #offer(sender: TaskSender): void {
    const kinds = this.#options.runners
      .flatMap((runner) => runner.kinds)
      .map((runnable) => {
        const { name: kind, ...rest } = offered(runnable);
        return { kind, ...rest };
      });
    sender.queue({ kind: "offer", version: TASK_VERSION, kinds, slots: this.#slots });
  }

  async #receive(requester: RequesterLink, frame: ToVolunteer, payload: Uint8Array): Promise<void> {
    switch (frame.kind) {
      case "lend":
        for (const [{ lease }, task] of pairPayload(payload, frame.leases)) this.#hold(requester, lease, task);
        this.#startNext();
        return;
      case "reveal":
        await this.#reveal(requester, frame);
        return;
      case "witness":
        for (const [{ ask }, statement] of pairPayload(payload, frame.asks)) {
          const signature = (await this.#options.witness?.(requester.link.remote, statement)) ?? null;
          requester.sender.queue({ kind: "witnessed", answers: [{ ask, signature }] });
        }
        return;
      case "receipt":
        for (const receipt of cutPayload(payload, frame.sizes)) this.#options.receipt?.(requester.link.remote, receipt);
        return;
      case "cancel":
        for (const lease of frame.leases) {
          const held = requester.held.get(lease);
          if (held !== undefined) this.#drop(held);
        }
    }
  }

  #hold(from: RequesterLink, lease: number, bytes: Bytes): void {
    if (from.held.has(lease)) throw new ManyhandsError("FRAME_UNEXPECTED", "a lease is given once");
    if (from.held.size >= DEFAULTS.heldTasks || !this.#hasCapacity(from, bytes.byteLength)) {
      this.#refuse(from, lease, "busy", "too many tasks are held here");
      return;
    }
    const held: HeldTask = {
      lease,
      id: taskId(bytes),
      task: decodeTask(bytes),
      bytes: 0,
      from,
      stop: new AbortController(),
      step: 0,
      reportedStep: 0,
      isRunning: false,
    };
    from.held.set(lease, held);
    this.#countBytes(held, bytes.byteLength);
    this.#queue.add(held);
  }

  #hasCapacity(from: RequesterLink, more: number): boolean {
    return from.bytes + more <= DEFAULTS.heldBytes && this.#bytes + more <= DEFAULTS.allBytes;
  }

  #countBytes(held: HeldTask, more: number): void {
    held.bytes += more;
    held.from.bytes += more;
    this.#bytes += more;
  }

  #startNext(): void {
    while (this.#running < this.#slots) {
      const held = this.#queue.next();
      if (held === undefined) return;
      // There has to be room for the output until it is revealed.
      if (!this.#hasCapacity(held.from, held.task.limits.outputBytes)) {
        this.#refuse(held.from, held.lease, "busy", "too many results are held here");
        this.#drop(held);
        held.from.sender.flush();
        continue;
      }
      this.#addRunning(1);
      void this.#run(held);
    }
  }

  #addRunning(more: number): void {
    this.#running += more;
    this.#emitter.emit("running:changed", { running: this.#running });
  }

  async #run(held: HeldTask): Promise<void> {
    const { clock, self } = this.#options;
    const { from, task, id, lease } = held;
    const startedMs = clock.now();
    held.isRunning = true;
    try {
      const output = await runTask(this.#options, task, {
        signal: held.stop.signal,
        onProgress: () => held.step++,
        requester: from.link.remote,
      });
      if (!held.stop.signal.aborted) {
        const salt = this.#options.salt();
        const hash = sha256(output) as Bytes; // noble allocates plain buffers
        held.done = { salt, output, hash };
        this.#countBytes(held, output.byteLength);
        from.sender.queue({ kind: "commit", commits: [{ lease, digest: commitment(salt, self, id, hash) }] });
        this.#emitter.emit("task:served", { task: id, kind: task.kind, requester: from.link.remote, ms: clock.now() - startedMs });
      }
    } catch (error) {
      if (!held.stop.signal.aborted) {
        this.#refuse(from, lease, reasonOf(error), errorMessage(error));
        this.#drop(held);
      }
    } finally {
      held.isRunning = false;
      this.#addRunning(-1);
      const hasMore = this.#queue.has(from);
      if (!hasMore) from.sender.flush();
      else if (!from.isFlushDue) void this.#flushSoon(from);
      this.#startNext();
    }
  }

  /** A finished task waits a moment for the next one to finish, so that both leave in one frame. */
  async #flushSoon(from: RequesterLink): Promise<void> {
    from.isFlushDue = true;
    await this.#options.clock.sleep(DEFAULTS.gatherMs);
    from.isFlushDue = false;
    from.sender.flush();
  }

  /** Each result leaves with its claim. If the link breaks meanwhile, its results are lost with it. */
  async #reveal(requester: RequesterLink, { reveals }: Extract<ToVolunteer, { readonly kind: "reveal" }>): Promise<void> {
    const revealed = reveals.map(async ({ lease, replica, units }) => {
      const held = requester.held.get(lease);
      if (held?.done === undefined) throw new ManyhandsError("FRAME_UNEXPECTED", "a result is revealed once, after it was committed to");
      this.#drop(held);
      const { salt, output, hash } = held.done;
      const done = { task: held.id, kind: held.task.kind, units, replica, requester: requester.link.remote, resultHash: hash };
      const claim = (await this.#options.claim?.(done)) ?? null;
      return { result: { lease, sizeBytes: output.byteLength, salt, claim }, output };
    });
    for (const { result, output } of await Promise.all(revealed)) requester.sender.queue({ kind: "result", results: [result] }, [output]);
  }

  #refuse(from: RequesterLink, lease: number, reason: RefusalReason, message: string): void {
    from.sender.queue({ kind: "refuse", lease, reason, message: message.slice(0, 400) });
    this.#emitter.emit("task:refused", { requester: from.link.remote, reason, message });
  }

  #drop(held: HeldTask): void {
    if (held.done === undefined) held.stop.abort(new ManyhandsError("PEER_LOST", "nobody wants this task any more"));
    if (held.from.held.delete(held.lease)) this.#countBytes(held, -held.bytes);
    if (!held.isRunning && held.done === undefined) this.#queue.remove(held);
  }
}
