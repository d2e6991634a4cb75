// Whether a claim is for the layer work that somebody knows of.
import type { Claim, LayerWork } from "../protocol/receipt.ts";
import { sameSpan } from "../shared/ids.ts";

export const sameLayerWork = (work: Claim["work"], known: Omit<LayerWork, "kind">): boolean =>
  work.kind === "layers" &&
  work.model === known.model &&
  work.session === known.session &&
  sameSpan(work.span, known.span) &&
  sameSpan(work.positions, known.positions) &&
  work.upstream === known.upstream &&
  work.downstream === known.downstream;
