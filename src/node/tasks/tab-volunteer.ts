// This tab as a volunteer: accepts links of requesters, computes their tasks in its worker or sandbox, and yields to
// inference.
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { PROTOCOLS } from "../../protocol/version.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { Observable } from "../../shared/events.ts";
import type { Log } from "../../shared/log.ts";
import { Pace } from "../../tasks/volunteer/pace.ts";
import { Volunteer, type VolunteerOptions } from "../../tasks/volunteer/volunteer.ts";
import { type ServedTasks, NO_TASKS_SERVED } from "../state.ts";
import type { Presence } from "../spans/presence.ts";
import type { TabTaskRunners } from "./tab-task-runners.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds without a step of inference after which tasks are computed again: longer than a token's lap takes. */
  idleMs: 750,
});

export interface TabVolunteerOptions extends Pick<VolunteerOptions, "claim" | "witness" | "receipt"> {
  readonly mesh: Pick<Mesh, "self" | "handle">;
  readonly presence: Pick<Presence, "takeTasks">;
  /** Inference in this tab, which goes first. */
  readonly inference: Observable<SpanServiceEvents>;
  readonly taskRunners: Omit<TabTaskRunners, "stop">;
  readonly clock: Clock;
  /** Share of compute that is lent, 0.1 to 1. */
  readonly share: () => number;
  readonly log: Log;
  readonly onState: (state: ServedTasks) => void;
}

/**
 * Runs from construction until `stop`. Computes strangers' tasks while lending is on, and this tab's own tasks always.
 */
export class TabVolunteer {
  readonly #options: TabVolunteerOptions;
  readonly #volunteer: Volunteer;
  readonly #stops: (() => void)[];
  #isOn = false;
  #sessions = 0;
  #idle: AbortController | undefined;
  #hasLooked = false;
  #state = NO_TASKS_SERVED;

  constructor(options: TabVolunteerOptions) {
    this.#options = options;
    const { mesh, inference, taskRunners, clock, share, claim, witness, receipt, log } = options;
    this.#volunteer = new Volunteer({
      self: mesh.self,
      runners: taskRunners.runners,
      pace: new Pace(clock, share),
      clock,
      salt: () => crypto.getRandomValues(new Uint8Array(16)),
      ...(claim && { claim }),
      ...(witness && { witness }),
      ...(receipt && { receipt }),
    });
    this.#stops = [
      mesh.handle(PROTOCOLS.task, (link) => {
        if (this.#isOn || link.remote === mesh.self) this.#volunteer.accept(link);
        else link.abort(new ManyhandsError("TASK_REFUSED", "this tab does not compute tasks of others"));
      }),
      inference.on("span:served", () => this.#yield()),
      inference.on("sessions:changed", ({ open }) => {
        if (open > this.#sessions) this.#yield(); // its prompt is on the way
        this.#sessions = open;
      }),
      this.#volunteer.on("running:changed", ({ running }) => this.#changed({ running })),
      this.#volunteer.on("task:served", ({ requester }) => {
        if (requester !== mesh.self) this.#changed({ done: this.#state.done + 1 });
      }),
      this.#volunteer.on("task:refused", ({ requester, reason, message }) => {
        log.debug("refused a task", { requester, reason, message });
        this.#changed({ refused: this.#state.refused + 1 });
      }),
      this.#volunteer.on("frame:refused", ({ requester, error }) => {
        log.warn("a requester of tasks broke the protocol", { requester, error: String(error) });
      }),
    ];
  }

  /** Sets whether strangers' tasks are computed. When that is withdrawn, all of their tasks end at once. */
  lend(on: boolean): void {
    if (this.#isOn === on) return;
    this.#isOn = on;
    this.#options.presence.takeTasks(on);
    if (on) {
      this.#hasLooked = false; // the person may have changed what may be used
      this.findCard();
    } else this.#volunteer.disconnect((requester) => requester !== this.#options.mesh.self);
    this.#changed({ isOn: on });
  }

  /** A receipt of work for others has arrived, worth this many microcredits. */
  earned(micro: number): void {
    this.#changed({ earnedMicro: this.#state.earnedMicro + micro });
  }

  stop(): void {
    this.lend(false);
    for (const stop of this.#stops) stop();
    this.#idle?.abort();
    this.#volunteer.disconnect();
  }

  /**
   * Looks once for a graphics card to draw with, for a tab that lends or has pictures of its own to draw. If there is
   * one, the requesters that are linked get a new offer.
   */
  findCard(): void {
    if (this.#hasLooked) return;
    this.#hasLooked = true;
    void this.#offerCard();
  }

  async #offerCard(): Promise<void> {
    if (await this.#options.taskRunners.findCard?.()) this.#volunteer.setSlots(this.#idle === undefined ? 1 : 0);
  }

  /** No task starts before inference has been idle for a moment. */
  #yield(): void {
    if (this.#idle === undefined) this.#volunteer.setSlots(0);
    this.#idle?.abort();
    const idle = new AbortController();
    this.#idle = idle;
    this.#options.clock.sleep(DEFAULTS.idleMs, idle.signal).then(
      () => {
        this.#idle = undefined;
        this.#volunteer.setSlots(1);
      },
      () => {}, // another step came, or the tab stops
    );
  }

  #changed(change: Partial<ServedTasks>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.onState(this.#state);
  }
}
