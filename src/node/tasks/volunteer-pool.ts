// The volunteers of this tab's jobs: peers of the directory while jobs are under way, and this tab itself beside them.
import type { Directory } from "../../mesh/ports/directory.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { Dispatcher } from "../../tasks/dispatch/dispatcher.ts";
import { linkVolunteer } from "../../tasks/dispatch/volunteer-link.ts";
import type { Standings } from "../../tasks/dispatch/standings.ts";
import type { Witnesses } from "../../tasks/dispatch/witnesses.ts";
import type { TaskPool } from "../../tasks/jobs/jobs.ts";
import type { TaskReceipts } from "../credit/task-receipts.ts";

const DEFAULTS = Object.freeze({
  /** Volunteers at once: a tab has ten connections, and its routes need some of them. */
  volunteers: 6,
  /** Milliseconds without a job after which the links to volunteers are closed. */
  idleMs: 30_000,
});

export interface VolunteerPoolOptions {
  /** Reaches this peer, too, which computes its own tasks unchecked and unpaid. */
  readonly mesh: Pick<Mesh, "self" | "open">;
  readonly directory: Pick<Directory, "swarm" | "on">;
  readonly standings: Standings;
  /** Makes receipts for what others compute. Without it nothing is paid. */
  readonly receipts?: Pick<TaskReceipts, "checkClaim" | "follow">;
  /** Asks volunteers for their signatures under receipts. */
  readonly witnesses?: Witnesses;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** Runs from construction until `stop`. */
export class VolunteerPool implements TaskPool {
  readonly dispatcher: Dispatcher;
  readonly #options: VolunteerPoolOptions;
  readonly #life = new AbortController();
  readonly #links = new Map<PeerId, AbortController>();
  #stopWatching: (() => void) | undefined;
  #resting: AbortController | undefined;
  /** Jobs that hold the volunteers. */
  #jobs = 0;

  constructor(options: VolunteerPoolOptions) {
    this.#options = options;
    const { mesh, clock, random, standings, receipts } = options;
    const trusts = (peer: PeerId): boolean => peer === mesh.self;
    this.dispatcher = new Dispatcher({ clock, random, standings, trusts, ...(receipts && { checkClaim: receipts.checkClaim }) });
    const unfollow = receipts?.follow(this.dispatcher);
    if (unfollow) this.#life.signal.addEventListener("abort", unfollow, { once: true });
    void this.dispatcher.watch(this.#life.signal);
  }

  /** Volunteers that are linked now, this tab included. */
  get volunteers(): number {
    return this.#links.size;
  }

  acquire(): () => void {
    this.#jobs++;
    this.#resting?.abort();
    this.#resting = undefined;
    if (this.#stopWatching === undefined) {
      this.#stopWatching = this.#options.directory.on("swarm:changed", () => this.#gather());
      this.#gather();
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (--this.#jobs === 0) void this.#rest();
    };
  }

  stop(): void {
    this.#life.abort(new Error("the tab leaves"));
    this.#unlinkAll();
  }

  /** Links this tab and as many volunteers of the directory as may be, and unlinks those that have left it. */
  #gather(): void {
    const { mesh, directory, random } = this.#options;
    const volunteers = directory.swarm.peers.filter(({ tasks, peer }) => tasks === true && peer !== mesh.self).map(({ peer }) => peer);
    for (const [peer, stop] of this.#links) {
      if (peer === mesh.self || volunteers.includes(peer)) continue;
      stop.abort();
      this.#links.delete(peer);
    }
    this.#link(mesh.self);
    const free = volunteers.filter((peer) => !this.#links.has(peer));
    // Drawn at random, so that requesters spread over all volunteers.
    while (free.length > 0 && this.#links.size <= DEFAULTS.volunteers) {
      const [peer] = free.splice(Math.floor(random() * free.length), 1);
      if (peer !== undefined) this.#link(peer);
    }
  }

  #link(peer: PeerId): void {
    if (this.#links.has(peer) || this.#life.signal.aborted) return;
    const stop = new AbortController();
    this.#links.set(peer, stop);
    const { mesh, clock, random, witnesses, log } = this.#options;
    void linkVolunteer(peer, { mesh, clock, random, dispatcher: this.dispatcher, log, ...(witnesses && { witnesses }) }, stop.signal);
  }

  /** Closes the links once there has been no job for a while. */
  async #rest(): Promise<void> {
    const resting = (this.#resting = new AbortController());
    try {
      await this.#options.clock.sleep(DEFAULTS.idleMs, AbortSignal.any([resting.signal, this.#life.signal]));
    } catch {
      return; // there is a job again, or the pool has stopped
    }
    this.#unlinkAll();
  }

  #unlinkAll(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    for (const stop of this.#links.values()) stop.abort();
    this.#links.clear();
  }
}
