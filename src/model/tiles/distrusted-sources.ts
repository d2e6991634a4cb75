// Who a model's tiles come from, who of them sent wrong ones, and how a read that cannot go on is told.
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { TilePeers } from "./tile-peers.ts";
import type { TileOrigin } from "./tile-source.ts";
import type { TileTally } from "./tile-tally.ts";

export interface SwarmTileSourceOptions {
  /** In order of preference. */
  readonly origins: readonly TileOrigin[];
  /** Undefined for a tab that has no mesh. */
  readonly peers: TilePeers | undefined;
  readonly tally: TileTally;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who sent what did not match its hash, for as long as the page lives. */
export class Refusals {
  readonly #peers = new Map<PeerId, number>();
  readonly #origins = new Map<TileOrigin, number>();

  isRefused(peer: PeerId): boolean {
    return this.#peers.has(peer);
  }

  refusePeer(peer: PeerId): void {
    this.#peers.set(peer, (this.#peers.get(peer) ?? 0) + 1);
  }

  refuseOrigin(origin: TileOrigin): void {
    this.#origins.set(origin, (this.#origins.get(origin) ?? 0) + 1);
  }

  /** Origins, those that sent wrong bytes before behind the others: a server may have been mended. */
  order(origins: readonly TileOrigin[]): TileOrigin[] {
    return origins.toSorted((a, b) => (this.#origins.get(a) ?? 0) - (this.#origins.get(b) ?? 0));
  }
}

/** The error of a read that cannot go on, from what its sources said last. */
export function failedRead(refusedBy: readonly string[], lastError: unknown, missing: number): ManyhandsError {
  if (refusedBy.length > 0) {
    return new ManyhandsError(
      "MODEL_CORRUPT",
      `${missing === 1 ? "a piece" : `${missing} pieces`} of the weights cannot be had whole: what ${[...new Set(refusedBy)].join(", ")} sent does not match its SHA-256`,
      { cause: lastError },
    );
  }
  return new ManyhandsError(
    errorCode(lastError) === "MODEL_CORRUPT" ? "MODEL_CORRUPT" : "MODEL_UNAVAILABLE",
    lastError === undefined ? "no source has the model's weights" : errorMessage(lastError),
    { cause: lastError },
  );
}
