// What this tab announces to the directory, as one announcement: the layers that its lender holds, whether it computes
// tasks, and how far away other peers are.
import type { Directory, Swarm } from "../../mesh/ports/directory.ts";
import type { RoundTrips } from "../../mesh/rtc/round-trips.ts";
import type { PeerAnnouncement } from "../../protocol/directory-frames.ts";
import { LIMITS } from "../../protocol/version.ts";
import type { HostKind } from "../state.ts";

/** The part of the directory that an announcing peer uses. */
export type Announcer = Pick<Directory, "swarm" | "on" | "announce" | "withdraw">;

/** To a lender it stands for the directory. */
export class Presence implements Announcer {
  readonly #directory: Directory;
  readonly #host: HostKind;
  readonly #roundTrips: Pick<RoundTrips, "latest"> | undefined;
  #layers: PeerAnnouncement | undefined;
  #isVolunteer = false;

  /** `roundTrips` are part of each announcement, so that requesters can plan routes by them. */
  constructor(directory: Directory, host: HostKind, roundTrips?: Pick<RoundTrips, "latest">) {
    this.#directory = directory;
    this.#host = host;
    this.#roundTrips = roundTrips;
  }

  get swarm(): Swarm {
    return this.#directory.swarm;
  }

  on: Directory["on"] = (name, listener) => this.#directory.on(name, listener);

  announce(announcement: PeerAnnouncement): void {
    this.#layers = announcement;
    this.#announce();
  }

  /** Withdraws the layers; a tab that computes tasks stays in the directory. */
  withdraw(): void {
    this.#layers = undefined;
    this.#announce();
  }

  takeTasks(on: boolean): void {
    if (this.#isVolunteer === on) return;
    this.#isVolunteer = on;
    this.#announce();
  }

  #announce(): void {
    const announcement = this.#layers ?? (this.#isVolunteer ? this.#withoutLayers() : undefined);
    if (announcement === undefined) {
      this.#directory.withdraw();
      return;
    }
    const neighbours = this.#roundTrips?.latest(LIMITS.neighbours) ?? [];
    this.#directory.announce({
      ...announcement,
      ...(this.#isVolunteer && { tasks: true }),
      ...(neighbours.length > 0 && { neighbours }),
    });
  }

  #withoutLayers(): PeerAnnouncement {
    return { model: null, target: null, serving: [], backend: "wasm", layerMs: null, sessions: 0, tokensServed: 0, host: this.#host };
  }
}
