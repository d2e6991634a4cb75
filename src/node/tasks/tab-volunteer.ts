// Assignments tasks: takes links of requesters, computes what they lend in this tab's worker or sandbox, and makes room for inference.
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { PROTOCOLS } from "../../protocol/version.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { Observable } from "../../shared/events.ts";
import type { Log } from "../../shared/log.ts";
import { Pace } from "../../tasks/volunteer/pace.ts";
import { Volunteer, type VolunteerDeps } from "../../tasks/volunteer/volunteer.ts";
import { type ServedTasks, NO_TASKS_SERVED } from "../state.ts";
import type { Presence } from "../spans/presence.ts";
import type { TabTaskRunners } from "./tab-task-runners.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds without a step of inference after which tasks are computed again: longer than a token takes to come round. */
  idleMs: 750,
});

export interface TabVolunteerDeps extends Pick<VolunteerDeps, "claim" | "witness" | "receipt"> {
  readonly mesh: Pick<Mesh, "self" | "handle">;
  readonly presence: Pick<Presence, "takeTasks">;
  /** Inference in this tab, which goes first. */
  readonly inference: Observable<SpanServiceEvents>;
  readonly runners: Omit<TabTaskRunners, "stop">;
  readonly clock: Clock;
  /** Share of compute that is lent, 0.1 to 1. */
  readonly share: () => number;
  readonly log: Log;
  readonly onState: (state: ServedTasks) => void;
}

/** Runs from construction until `stop`. Strangers are served while lending is on, this tab's own work always. */
export class TabVolunteer {
  readonly #deps: TabVolunteerDeps;
  readonly #volunteer: Volunteer;
  readonly #stops: (() => void)[];
  #isOn = false;
  #sessions = 0;
  #idle: AbortController | undefined;
  #hasLooked = false;
  #state = NO_TASKS_SERVED;

  constructor(deps: TabVolunteerDeps) {
    this.#deps = deps;
    const { mesh, inference, clock, claim, witness, receipt } = deps;
    this.#volunteer = new Volunteer({
      self: mesh.self,
      runners: deps.runners.runners,
      pace: new Pace(clock, deps.share),
      clock,
      salt: () => crypto.getRandomValues(new Uint8Array(16)),
      ...(claim && { claim }),
      ...(witness && { witness }),
      ...(receipt && { receipt }),
    });
    this.#stops = [
      mesh.handle(PROTOCOLS.task, (link) => {
        if (this.#isOn || link.remote === mesh.self) this.#volunteer.accept(link);
        else link.abort(new ManyhandsError("TASK_REFUSED", "this tab does not take tasks of others"));
      }),
      inference.on("span:served", () => this.#makeRoom()),
      inference.on("sessions:changed", ({ open }) => {
        if (open > this.#sessions) this.#makeRoom(); // its prompt is on the way
        this.#sessions = open;
      }),
      this.#volunteer.on("running:changed", ({ running }) => this.#tell({ running })),
      this.#volunteer.on("task:served", ({ requester }) => {
        if (requester !== mesh.self) this.#tell({ done: this.#state.done + 1 });
      }),
      this.#volunteer.on("task:refused", ({ requester, reason, message }) => {
        deps.log.debug("refused a task", { requester, reason, message });
        this.#tell({ refused: this.#state.refused + 1 });
      }),
      this.#volunteer.on("frame:refused", ({ requester, error }) => {
        deps.log.warn("a requester of tasks broke the protocol", { requester, error: String(error) });
      }),
    ];
  }

  /** Whether strangers' tasks are taken; withdrawn, all that is theirs ends at once. */
  lend(on: boolean): void {
    if (this.#isOn === on) return;
    this.#isOn = on;
    this.#deps.presence.takeTasks(on);
    if (on) {
      this.#hasLooked = false; // what the person wants used may have changed
      this.findCard();
    } else this.#volunteer.leave((requester) => requester !== this.#deps.mesh.self);
    this.#tell({ isOn: on });
  }

  /** A receipt of work for others, worth so much. */
  earned(micro: number): void {
    this.#tell({ earnedMicro: this.#state.earnedMicro + micro });
  }

  stop(): void {
    this.lend(false);
    for (const stop of this.#stops) stop();
    this.#idle?.abort();
    this.#volunteer.leave();
  }

  /**
   * Looks once for a graphics card to draw with: for whoever lends, or has pictures of their own to draw. Those who asked before
   * are told.
   */
  findCard(): void {
    if (this.#hasLooked) return;
    this.#hasLooked = true;
    void this.#offerCard();
  }

  async #offerCard(): Promise<void> {
    if (await this.#deps.runners.findCard?.()) this.#volunteer.setSlots(this.#idle === undefined ? 1 : 0);
  }

  /** No task begins before inference has been idle for a moment. */
  #makeRoom(): void {
    if (this.#idle === undefined) this.#volunteer.setSlots(0);
    this.#idle?.abort();
    const idle = new AbortController();
    this.#idle = idle;
    this.#deps.clock.sleep(DEFAULTS.idleMs, idle.signal).then(
      () => {
        this.#idle = undefined;
        this.#volunteer.setSlots(1);
      },
      () => {}, // another step came, or the tab stops
    );
  }

  #tell(change: Partial<ServedTasks>): void {
    this.#state = { ...this.#state, ...change };
    this.#deps.onState(this.#state);
  }
}
