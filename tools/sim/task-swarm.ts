// A requester and volunteers in virtual time over a simulated network: a real dispatcher, real volunteers, tasks that
// take time.
import { decode, encode } from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import type { Task } from "../../src/protocol/task-frames.ts";
import { PROTOCOLS } from "../../src/protocol/version.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import { asPeerId, type PeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Dispatcher, type SubmitOptions } from "../../src/tasks/dispatch/dispatcher.ts";
import { linkVolunteer } from "../../src/tasks/dispatch/volunteer-link.ts";
import type { Bytes, TaskKind } from "../../src/tasks/task-kind.ts";
import type { TaskRunner } from "../../src/tasks/volunteer/local-runner.ts";
import { Standings } from "../../src/tasks/dispatch/standings.ts";
import type { Settled } from "../../src/tasks/dispatch/task-record.ts";
import { Volunteer } from "../../src/tasks/volunteer/volunteer.ts";
import { Random } from "./random.ts";
import { SimNetwork } from "./sim-mesh.ts";
import { VirtualClock } from "./virtual-clock.ts";

/**
 * A volunteer whose output is the hash of the input, after `ms` of virtual time. The other fields make it behave oddly.
 */
export interface TimedPeer {
  readonly ms?: (task: Task) => number;
  /** Its output, in place of the right one. */
  readonly twist?: (task: Task, right: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  readonly fails?: (task: Task) => boolean;
  readonly isSilent?: boolean;
  /** Milliseconds of computing without a sign of progress. */
  readonly steady?: number;
  readonly slots?: number;
  readonly kinds?: readonly string[];
  readonly determinismClass?: string;
}

export const rightOutput = (task: Task): Uint8Array<ArrayBuffer> =>
  sha256(task.input.kind === "inline" ? task.input.bytes : new Uint8Array(0));

export const numbered = (number: number, more: Partial<Task> = {}): Task => ({
  kind: "timed",
  version: 1,
  params: { number },
  input: { kind: "inline", bytes: Uint8Array.from(encode(number)) },
  limits: { runMs: 60_000, silentMs: 10_000, memoryBytes: 1024, outputBytes: 64 },
  replication: { quorum: 2, most: 5 },
  reward: 1,
  ...more,
});
/** The kind of these tasks: a job of one number is one task. */
export const TIMED: TaskKind<number, Bytes> = {
  name: "timed",
  version: 1,
  split: (number) => [{ params: { number }, input: Uint8Array.from(encode(number)) }],
  run: () => Promise.reject(new Error("a timed peer computes it")),
  join: (_, [output]) => output ?? new Uint8Array(0),
  weigh: () => 1,
};

export const numberOf = (task: Task): number => decode(task.input.kind === "inline" ? task.input.bytes : new Uint8Array(1));

export class TaskSwarm {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly network: SimNetwork;
  readonly standings = new Standings([], () => this.clock.now());
  readonly dispatcher: Dispatcher;
  readonly over = new AbortController();
  readonly volunteers = new Map<PeerId, Volunteer>();
  readonly #mesh;
  /** How often each task was computed, by its number. */
  readonly computed = new Map<number, number>();
  #count = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.network = new SimNetwork(this.clock, this.random);
    this.#mesh = this.network.join(asPeerId("requester"));
    this.dispatcher = new Dispatcher({ clock: this.clock, random: () => this.random.next(), standings: this.standings });
    void this.dispatcher.watch(this.over.signal);
  }

  join(peer: TimedPeer = {}, name = `volunteer-${this.#count++}`): PeerId {
    const id = asPeerId(name);
    const mesh = this.network.join(id);
    const runner: TaskRunner = {
      kinds: (peer.kinds ?? ["timed"]).map((kind) => ({
        name: kind,
        version: 1,
        ...(peer.determinismClass !== undefined && { determinismClass: peer.determinismClass }),
      })),
      run: async (task, { signal, progress }) => {
        progress();
        if (peer.steady !== undefined) await this.clock.sleep(peer.steady, signal);
        let left = peer.isSilent === true ? 1e12 : (peer.ms?.(task) ?? 100);
        while (left > 0) {
          const step = peer.isSilent === true ? left : Math.min(left, 500);
          await this.clock.sleep(step, signal);
          left -= step;
          progress();
        }
        if (peer.fails?.(task) === true) throw new ManyhandsError("TASK_FAILED", "the program threw");
        const number = numberOf(task);
        this.computed.set(number, (this.computed.get(number) ?? 0) + 1);
        return peer.twist?.(task, rightOutput(task)) ?? rightOutput(task);
      },
    };
    const salt = (): Uint8Array<ArrayBuffer> => this.random.bytes(new Uint8Array(16));
    const volunteer = new Volunteer({ self: id, runners: [runner], clock: this.clock, salt }, peer.slots ?? 1);
    mesh.handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    this.volunteers.set(id, volunteer);
    const options = { mesh: this.#mesh, clock: this.clock, random: () => this.random.next(), dispatcher: this.dispatcher, log: silentLog };
    void linkVolunteer(id, options, this.over.signal);
    return id;
  }

  kill(peer: PeerId, noticeMs = 50): void {
    this.network.kill(peer, () => noticeMs);
  }

  submit(task: Task, options: Partial<SubmitOptions> = {}): Promise<Settled> {
    return this.dispatcher.submit(task, { ...options, signal: options.signal ?? this.over.signal });
  }

  /**
   * Lets time pass until every task is settled or has failed. Resolves with the settlements, or the errors, in order.
   */
  async all(submitted: readonly Promise<Settled>[], untilMs = 3_600_000): Promise<readonly PromiseSettledResult<Settled>[]> {
    let results: readonly PromiseSettledResult<Settled>[] | undefined;
    void Promise.allSettled(submitted).then((settled) => (results = settled));
    await this.clock.run(() => results !== undefined, untilMs);
    if (results === undefined) throw new Error(`after ${untilMs} virtual ms ${this.dispatcher.open} tasks are open`);
    return results;
  }

  pass(ms: number): Promise<boolean> {
    return this.clock.run(() => false, this.clock.now() + ms);
  }
}
