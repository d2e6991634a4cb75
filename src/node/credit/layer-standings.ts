// What is known of peers' work on answers, beside what is known of their tasks: a wrong result at one costs the trust at all.
import type { PeerStandings } from "../../inference/audit/answer-audits.ts";
import type { Standings } from "../../tasks/dispatch/standings.ts";

/** The kind under which standings keep work on answers. */
const KIND = "layers";

export const layerStandings = (standings: Standings): PeerStandings => ({
  now: standings.now,
  of: (peer) => standings.of(peer, KIND),
  agreed: (peer) => standings.agreed(peer, KIND),
  fault: (peer) => standings.fault(peer, KIND),
  wrong: (peer) => void standings.wrong(peer, KIND),
});
