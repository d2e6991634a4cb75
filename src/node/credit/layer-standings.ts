// Peers' standings for work on answers, beside those for tasks: a wrong result at one costs the trust for both.
import type { PeerStandings } from "../../inference/audit/answer-audits.ts";
import type { Standings } from "../../tasks/dispatch/standings.ts";

/** The kind under which work on answers is kept. */
const KIND = "layers";

export const layerStandings = (standings: Standings): PeerStandings => ({
  now: standings.now,
  of: (peer) => standings.of(peer, KIND),
  agreed: (peer) => standings.agreed(peer, KIND),
  fault: (peer) => standings.fault(peer, KIND),
  wrong: (peer) => void standings.wrong(peer, KIND),
});
