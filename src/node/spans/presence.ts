// What this tab tells the directory, in one announcement: the layers that its lender holds, whether it takes tasks, and how far
// others are.
import type { Directory, Swarm } from "../../mesh/ports/directory.ts";
import type { RoundTrips } from "../../mesh/rtc/round-trips.ts";
import type { PeerAnnouncement } from "../../protocol/directory-frames.ts";
import { LIMITS } from "../../protocol/version.ts";
import type { HostKind } from "../state.ts";

/** The directory as whoever announces sees it. */
export type Announcer = Pick<Directory, "swarm" | "on" | "announce" | "withdraw">;

/** A lender announces through it as through the directory. */
export class Presence implements Announcer {
  readonly #directory: Directory;
  readonly #host: HostKind;
  readonly #roundTrips: Pick<RoundTrips, "latest"> | undefined;
  #layers: PeerAnnouncement | undefined;
  #takesTasks = false;

  /** `roundTrips`: told with each announcement, so that requesters plan routes by them. */
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
    this.#tell();
  }

  /** No layers any more; a tab that takes tasks stays in the directory. */
  withdraw(): void {
    this.#layers = undefined;
    this.#tell();
  }

  takeTasks(on: boolean): void {
    if (this.#takesTasks === on) return;
    this.#takesTasks = on;
    this.#tell();
  }

  #tell(): void {
    const announcement = this.#layers ?? (this.#takesTasks ? this.#withoutLayers() : undefined);
    if (announcement === undefined) {
      this.#directory.withdraw();
      return;
    }
    const neighbours = this.#roundTrips?.latest(LIMITS.neighbours) ?? [];
    this.#directory.announce({
      ...announcement,
      ...(this.#takesTasks && { tasks: true }),
      ...(neighbours.length > 0 && { neighbours }),
    });
  }

  #withoutLayers(): PeerAnnouncement {
    return { model: null, target: null, serving: [], backend: "wasm", layerMs: null, sessions: 0, tokensServed: 0, host: this.#host };
  }
}
