// The serving side of a peer: takes links of requesters, runs the tasks that they lend, commits to the outputs, and shows them when asked.
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
  taskId,
  type ToVolunteer,
} from "../../protocol/task-frames.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import type { PeerId } from "../../shared/ids.ts";
import { PeerPlaces } from "../../shared/peer-places.ts";
import { type Bytes, offered } from "../task-kind.ts";
import { type Held, reasonOf, type Requester, tellProgress } from "./held-task.ts";
import { VolunteerQueue } from "./volunteer-queue.ts";
import { TaskSender } from "../task-sender.ts";
import type { VolunteerDeps, VolunteerEvents } from "./volunteer-options.ts";
import { watchTask } from "./watch-task.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for which finished small tasks wait for each other. */
  gatherMs: 5,
  /** Tasks and bytes that one requester may have lying here: lent, or computed and not yet asked for. */
  heldTasks: 1024,
  heldBytes: 64 * 1024 * 1024,
  /** Links of one requester, which may come back before its old one is seen to be gone; and of all. */
  linksEach: 4,
  links: 64,
  /** Bytes of all requesters together. */
  allBytes: 256 * 1024 * 1024,
});

/** Hand `accept` what `mesh.handle(PROTOCOLS.task, …)` brings. */
export class Volunteer implements Observable<VolunteerEvents> {
  readonly #deps: VolunteerDeps;
  readonly #emitter = new Emitter<VolunteerEvents>();
  readonly #requesters = new Set<Requester>();
  readonly #links = new PeerPlaces(DEFAULTS.linksEach);
  readonly #line = new VolunteerQueue();
  #bytes = 0;
  #running = 0;
  #slots: number;

  constructor(deps: VolunteerDeps, slots = 1) {
    this.#deps = deps;
    this.#slots = slots;
  }

  on<Name extends keyof VolunteerEvents>(name: Name, listener: (payload: VolunteerEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Tasks computed at once from now on; 0 starts none, what runs goes on, and what waits is handed back for others to do.
   * Inference that needs the machine sets 0.
   */
  setSlots(slots: number): void {
    this.#slots = Math.min(TASK_LIMITS.slots, slots);
    for (const held of this.#slots === 0 ? this.#line.all() : []) {
      this.#refuse(held.owner, held.lease, "busy", "inference needs this machine");
      this.#drop(held);
    }
    for (const { sender } of this.#requesters) {
      this.#offer(sender);
      sender.flush();
    }
    this.#startNext();
  }

  /** Ends every link and every task of those whom `leaves` names. */
  leave(leaves: (requester: PeerId) => boolean = () => true): void {
    for (const { link } of this.#requesters) if (leaves(link.remote)) void link.close();
  }

  /** Serves one link until it closes. Never throws: what a requester breaks costs it the link. */
  accept(link: Link): void {
    const leave = this.#requesters.size < DEFAULTS.links ? this.#links.acquire(link.remote) : undefined;
    if (leave === undefined) {
      link.abort(new ManyhandsError("TASK_REFUSED", "too many lend tasks here"));
      return;
    }
    const requester: Requester = { link, sender: new TaskSender(link), held: new Map(), bytes: 0, isGathering: false };
    this.#requesters.add(requester);
    void this.#serve(requester).finally(leave);
  }

  async #serve(requester: Requester): Promise<void> {
    const { link, sender } = requester;
    const over = new AbortController();
    void tellProgress(requester, this.#deps.clock, over.signal);
    this.#offer(sender);
    sender.flush();
    try {
      for await (const bytes of link.frames) {
        const { header, payload } = decodeFrame(bytes);
        await this.#take(requester, readToVolunteer(header), payload);
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
    const kinds = this.#deps.runner.kinds.map((runnable) => {
      const { name: kind, ...rest } = offered(runnable);
      return { kind, ...rest };
    });
    sender.queue({ kind: "offer", version: TASK_VERSION, kinds, slots: this.#slots });
  }

  async #take(requester: Requester, frame: ToVolunteer, payload: Uint8Array): Promise<void> {
    switch (frame.kind) {
      case "lend":
        for (const [{ lease }, task] of pairPayload(payload, frame.leases)) this.#borrow(requester, lease, task);
        this.#startNext();
        return;
      case "reveal":
        await this.#show(requester, frame);
        return;
      case "witness":
        for (const [{ ask }, statement] of pairPayload(payload, frame.asks)) {
          const signature = (await this.#deps.witness?.(requester.link.remote, statement)) ?? null;
          requester.sender.queue({ kind: "witnessed", answers: [{ ask, signature }] });
        }
        return;
      case "receipt":
        for (const receipt of cutPayload(payload, frame.sizes)) this.#deps.receipt?.(requester.link.remote, receipt);
        return;
      case "cancel":
        for (const lease of frame.leases) {
          const held = requester.held.get(lease);
          if (held !== undefined) this.#drop(held);
        }
    }
  }

  #borrow(owner: Requester, lease: number, bytes: Bytes): void {
    if (owner.held.has(lease)) throw new ManyhandsError("FRAME_UNEXPECTED", "a lease is given once");
    if (owner.held.size >= DEFAULTS.heldTasks || !this.#hasRoom(owner, bytes.byteLength)) {
      this.#refuse(owner, lease, "busy", "too much lies here");
      return;
    }
    const held: Held = {
      lease,
      id: taskId(bytes),
      task: decodeTask(bytes),
      bytes: 0,
      owner,
      stop: new AbortController(),
      step: 0,
      toldStep: 0,
      isRunning: false,
    };
    owner.held.set(lease, held);
    this.#weigh(held, bytes.byteLength);
    this.#line.add(held);
  }

  #hasRoom(owner: Requester, more: number): boolean {
    return owner.bytes + more <= DEFAULTS.heldBytes && this.#bytes + more <= DEFAULTS.allBytes;
  }

  /** Counts bytes that lie here for a task. */
  #weigh(held: Held, more: number): void {
    held.bytes += more;
    held.owner.bytes += more;
    this.#bytes += more;
  }

  #startNext(): void {
    while (this.#running < this.#slots) {
      const held = this.#line.take();
      if (held === undefined) return;
      // What may come out has to lie somewhere until it is asked for.
      if (!this.#hasRoom(held.owner, held.task.limits.outputBytes)) {
        this.#refuse(held.owner, held.lease, "busy", "too many results lie here");
        this.#drop(held);
        held.owner.sender.flush();
        continue;
      }
      this.#runs(1);
      void this.#run(held);
    }
  }

  #runs(more: number): void {
    this.#running += more;
    this.#emitter.emit("running:changed", { running: this.#running });
  }

  async #run(held: Held): Promise<void> {
    const { clock, runner, self } = this.#deps;
    const { owner, task, id, lease } = held;
    const startedMs = clock.now();
    held.isRunning = true;
    try {
      const output = await watchTask(runner, task, {
        clock,
        signal: held.stop.signal,
        onStep: () => held.step++,
        requester: owner.link.remote,
      });
      if (!held.stop.signal.aborted) {
        const salt = this.#deps.salt();
        const hash = sha256(output) as Bytes; // noble allocates plain buffers
        held.done = { salt, output, hash };
        this.#weigh(held, output.byteLength);
        owner.sender.queue({ kind: "commit", commits: [{ lease, digest: commitment(salt, self, id, hash) }] });
        this.#emitter.emit("task:served", { task: id, kind: task.kind, requester: owner.link.remote, ms: clock.now() - startedMs });
      }
    } catch (error) {
      if (!held.stop.signal.aborted) {
        this.#refuse(owner, lease, reasonOf(error), errorMessage(error));
        this.#drop(held);
      }
    } finally {
      held.isRunning = false;
      this.#runs(-1);
      const hasMore = this.#line.has(owner);
      if (!hasMore) owner.sender.flush();
      else if (!owner.isGathering) void this.#flushSoon(owner);
      this.#startNext();
    }
  }

  /** What is finished waits a moment for what is finished next. */
  async #flushSoon(owner: Requester): Promise<void> {
    owner.isGathering = true;
    await this.#deps.clock.sleep(DEFAULTS.gatherMs);
    owner.isGathering = false;
    owner.sender.flush();
  }

  /** Each leaves with its claim; what a link that broke meanwhile was to be shown is gone with it. */
  async #show(requester: Requester, { reveals }: Extract<ToVolunteer, { readonly kind: "reveal" }>): Promise<void> {
    const shown = reveals.map(async ({ lease, replica, units }) => {
      const held = requester.held.get(lease);
      if (held?.done === undefined) throw new ManyhandsError("FRAME_UNEXPECTED", "a result is shown once, after it was committed to");
      this.#drop(held);
      const { salt, output, hash } = held.done;
      const work = { task: held.id, kind: held.task.kind, units, replica, requester: requester.link.remote, resultHash: hash };
      const claim = (await this.#deps.claim?.(work)) ?? null;
      return { result: { lease, sizeBytes: output.byteLength, salt, claim }, output };
    });
    for (const { result, output } of await Promise.all(shown)) requester.sender.queue({ kind: "result", results: [result] }, [output]);
  }

  #refuse(owner: Requester, lease: number, reason: RefusalReason, message: string): void {
    owner.sender.queue({ kind: "refuse", lease, reason, message: message.slice(0, 400) });
    this.#emitter.emit("task:refused", { requester: owner.link.remote, reason, message });
  }

  #drop(held: Held): void {
    if (held.done === undefined) held.stop.abort(new ManyhandsError("PEER_LOST", "nobody wants this task any more"));
    if (held.owner.held.delete(held.lease)) this.#weigh(held, -held.bytes);
    if (!held.isRunning && held.done === undefined) this.#line.remove(held);
  }
}
