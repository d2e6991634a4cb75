// A directory without a relay, for tests: all peers share one board in memory. Nothing expires: a peer leaves by
// `withdraw` or `stop`.
import type { PeerAnnouncement, PeerRecord } from "../../protocol/directory-frames.ts";
import { Emitter } from "../../shared/events.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Directory, DirectoryEvents, RelayStatus, Swarm } from "../ports/directory.ts";

/** The records that all peers of a test see. */
export class MemoryBoard {
  readonly #records = new Map<PeerId, PeerRecord>();
  readonly #events = new Emitter<{ readonly "swarm:changed": Swarm }>();
  #joined = 0;
  #revision = 0;

  /** Returns the board as `peer` sees it. */
  join(peer: PeerId): MemoryDirectory {
    return new MemoryDirectory(peer, this);
  }

  get swarm(): Swarm {
    return { revision: this.#revision, peers: [...this.#records.values()] };
  }

  on(name: "swarm:changed", listener: (swarm: Swarm) => void): () => void {
    return this.#events.on(name, listener);
  }

  put(peer: PeerId, announcement: PeerAnnouncement): void {
    this.#records.set(peer, { ...announcement, peer, joined: this.#records.get(peer)?.joined ?? ++this.#joined });
    this.#changed();
  }

  /** Removes a peer, as the relay does when a tab dies. */
  remove(peer: PeerId): void {
    if (this.#records.delete(peer)) this.#changed();
  }

  #changed(): void {
    this.#revision++;
    this.#events.emit("swarm:changed", this.swarm);
  }
}

/** One peer's view of a `MemoryBoard`. `setRelay` makes it look as if the relay went away. */
export class MemoryDirectory implements Directory {
  readonly #peer: PeerId;
  readonly #board: MemoryBoard;
  readonly #events = new Emitter<DirectoryEvents>();
  readonly #stopListening: () => void;
  #relay: RelayStatus = { kind: "connected" };
  #swarm: Swarm;

  constructor(peer: PeerId, board: MemoryBoard) {
    this.#peer = peer;
    this.#board = board;
    this.#swarm = board.swarm;
    this.#stopListening = board.on("swarm:changed", (swarm) => this.#see(swarm));
  }

  get swarm(): Swarm {
    return this.#swarm;
  }

  get relay(): RelayStatus {
    return this.#relay;
  }

  on<Name extends keyof DirectoryEvents>(name: Name, listener: (payload: DirectoryEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  announce(announcement: PeerAnnouncement): void {
    this.#board.put(this.#peer, announcement);
  }

  withdraw(): void {
    this.#board.remove(this.#peer);
  }

  /** This peer sees no change until `status` is `connected` again. */
  setRelay(status: RelayStatus): void {
    this.#relay = status;
    this.#events.emit("relay:changed", status);
    this.#see(this.#board.swarm);
  }

  async stop(): Promise<void> {
    this.#stopListening();
    this.withdraw();
  }

  #see(swarm: Swarm): void {
    if (this.#relay.kind !== "connected" || swarm.revision === this.#swarm.revision) return;
    this.#swarm = swarm;
    this.#events.emit("swarm:changed", swarm);
  }
}
