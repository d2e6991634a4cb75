// Where this tab's tasks are computed: volunteers of the directory while there is work, and this tab itself beside them.
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
  /** Milliseconds without work after which the links to volunteers are ended. */
  idleMs: 30_000,
});

export interface VolunteerPoolDeps {
  /** Reaches this peer too, which computes its own tasks trusted and unpaid. */
  readonly mesh: Pick<Mesh, "self" | "open">;
  readonly directory: Pick<Directory, "swarm" | "on">;
  readonly standings: Standings;
  /** Receipts for what others compute; without it nothing is paid. */
  readonly receipts?: Pick<TaskReceipts, "checkClaim" | "follow">;
  /** Asks volunteers for their hands under receipts. */
  readonly witnesses?: Witnesses;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** Runs from construction until `stop`. */
export class VolunteerPool implements TaskPool {
  readonly dispatcher: Dispatcher;
  readonly #deps: VolunteerPoolDeps;
  readonly #life = new AbortController();
  readonly #lending = new Map<PeerId, AbortController>();
  #stopWatching: (() => void) | undefined;
  #resting: AbortController | undefined;
  #takers = 0;

  constructor(deps: VolunteerPoolDeps) {
    this.#deps = deps;
    const { mesh, clock, random, standings, receipts } = deps;
    const trusts = (peer: PeerId): boolean => peer === mesh.self;
    this.dispatcher = new Dispatcher({ clock, random, standings, trusts, ...(receipts && { checkClaim: receipts.checkClaim }) });
    const unfollow = receipts?.follow(this.dispatcher);
    if (unfollow) this.#life.signal.addEventListener("abort", unfollow, { once: true });
    void this.dispatcher.watch(this.#life.signal);
  }

  /** Volunteers that tasks are lent to now, this tab included. */
  get volunteers(): number {
    return this.#lending.size;
  }

  take(): () => void {
    this.#takers++;
    this.#resting?.abort();
    this.#resting = undefined;
    if (this.#stopWatching === undefined) {
      this.#stopWatching = this.#deps.directory.on("swarm:changed", () => this.#gather());
      this.#gather();
    }
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      if (--this.#takers === 0) void this.#rest();
    };
  }

  stop(): void {
    this.#life.abort(new Error("the tab leaves"));
    this.#leave();
  }

  /** Lends to this tab, and to as many of those who take tasks as may be; those who are gone are let go. */
  #gather(): void {
    const { mesh, directory, random } = this.#deps;
    const takers = directory.swarm.peers.filter(({ tasks, peer }) => tasks === true && peer !== mesh.self).map(({ peer }) => peer);
    for (const [peer, stop] of this.#lending) {
      if (peer === mesh.self || takers.includes(peer)) continue;
      stop.abort();
      this.#lending.delete(peer);
    }
    this.#linkVolunteer(mesh.self);
    const free = takers.filter((peer) => !this.#lending.has(peer));
    // Whoever comes first is no better than others: requesters spread over all volunteers.
    while (free.length > 0 && this.#lending.size <= DEFAULTS.volunteers) {
      const [peer] = free.splice(Math.floor(random() * free.length), 1);
      if (peer !== undefined) this.#linkVolunteer(peer);
    }
  }

  #linkVolunteer(peer: PeerId): void {
    if (this.#lending.has(peer) || this.#life.signal.aborted) return;
    const stop = new AbortController();
    this.#lending.set(peer, stop);
    const { mesh, clock, random, witnesses, log } = this.#deps;
    void linkVolunteer(peer, { mesh, clock, random, dispatcher: this.dispatcher, log, ...(witnesses && { witnesses }) }, stop.signal);
  }

  /** Ends the links when there has been no work for a while. */
  async #rest(): Promise<void> {
    const resting = (this.#resting = new AbortController());
    try {
      await this.#deps.clock.sleep(DEFAULTS.idleMs, AbortSignal.any([resting.signal, this.#life.signal]));
    } catch {
      return; // there is work again, or the board has stopped
    }
    this.#leave();
  }

  #leave(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    for (const stop of this.#lending.values()) stop.abort();
    this.#lending.clear();
  }
}
