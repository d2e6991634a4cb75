// What this tab tells the directory: the layers that its lender holds, and whether it takes tasks, in one announcement.
import type { Directory, Swarm } from "../mesh/directory.ts";
import type { PeerAnnouncement } from "../protocol/directory-frames.ts";
import type { HostKind } from "./handle.ts";

/** The directory as whoever announces sees it. */
export type Announcer = Pick<Directory, "swarm" | "on" | "announce" | "withdraw">;

/** A lender announces through it as through the directory. */
export class Presence implements Announcer {
  readonly #directory: Directory;
  readonly #host: HostKind;
  #layers: PeerAnnouncement | undefined;
  #takesTasks = false;

  constructor(directory: Directory, host: HostKind) {
    this.#directory = directory;
    this.#host = host;
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
    if (this.#takesTasks) this.#directory.announce({ ...(this.#layers ?? this.#withoutLayers()), tasks: true });
    else if (this.#layers) this.#directory.announce(this.#layers);
    else this.#directory.withdraw();
  }

  #withoutLayers(): PeerAnnouncement {
    return { model: null, target: null, serving: [], backend: "wasm", layerMs: null, sessions: 0, tokensServed: 0, host: this.#host };
  }
}
