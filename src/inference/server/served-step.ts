// One step as a span served it: what the page counts. Plain data.
import type { PeerId } from "../../shared/ids.ts";

/** What a step cost and for whom. */
export interface ServedStep {
  readonly requester: PeerId;
  readonly positions: number;
  readonly computeMs: number;
  /** Computed to be compared, not for an answer. */
  readonly isAudit: boolean;
}
