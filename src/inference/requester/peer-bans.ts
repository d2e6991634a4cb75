// Which peers are not asked again in the course of an answer, and for how long.
import type { Clock } from "../../shared/clock.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /**
   * Milliseconds for which a lost peer is not asked, because the directory may list it for a while. Doubles with each
   * loss.
   */
  lostMs: 8_000,
  /** Milliseconds for which a peer that is leaving is not asked. */
  leavingMs: 60_000,
});

/** Codes that mean that a peer gave something wrong: it is not asked again for this answer. */
const WRONG: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "REPLAY_MISMATCH",
  "PREFIX_MISMATCH",
  "POSITION_MISMATCH",
  "SIZE_MISMATCH",
  "FRAME_MALFORMED",
  "FRAME_UNEXPECTED",
  "FRAME_TOO_LARGE",
  "SESSION_FOREIGN",
]);

/** Whether a peer that failed with `code` gave something wrong, rather than nothing. */
export const isWrong = (code: ErrorCode): boolean => WRONG.has(code);

export class PeerBans {
  readonly #clock: Clock;
  readonly #untilMs = new Map<PeerId, number>();
  readonly #losses = new Map<PeerId, number>();
  /** Banned peers of which nothing worse is known than that they were lost. */
  readonly #silent = new Set<PeerId>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Peers that are not to be asked now. */
  get peers(): ReadonlySet<PeerId> {
    const now = this.#clock.now();
    return new Set([...this.#untilMs].flatMap(([peer, untilMs]) => (untilMs > now ? [peer] : [])));
  }

  /** Those of them that were lost, and did nothing worse. */
  get silent(): ReadonlySet<PeerId> {
    return new Set([...this.peers].filter((peer) => this.#silent.has(peer)));
  }

  /** `wrong` bans the peer for as long as the answer lasts. */
  ban(peer: PeerId, why: "wrong" | "lost" | "leaving"): void {
    const losses = this.#losses.get(peer) ?? 0;
    if (why !== "lost") this.#silent.delete(peer);
    else if (!this.peers.has(peer)) this.#silent.add(peer);
    if (why === "lost") this.#losses.set(peer, losses + 1);
    const ms = why === "wrong" ? Infinity : why === "leaving" ? DEFAULTS.leavingMs : DEFAULTS.lostMs * 2 ** losses;
    this.#untilMs.set(peer, Math.max(this.#untilMs.get(peer) ?? 0, this.#clock.now() + ms));
  }
}
