// Reads what the relay says about its swarm. Not part of the first load: the schemas come beside the first reply.
import * as v from "valibot";
import { RELAY_API_LIMITS, SwarmOverview } from "../protocol/relay-api.ts";
import type { Overview } from "./overview.ts";

/** Throws if the reply is an error, too long, or not an overview. */
export async function readOverview(reply: Pick<Response, "ok" | "status" | "text">): Promise<Overview> {
  const body = reply.ok ? await reply.text() : "";
  if (body === "" || body.length > RELAY_API_LIMITS.overviewLength) throw new Error(`status ${reply.status}`);
  return overviewOf(JSON.parse(body));
}

/** Throws if `json` is not an overview. */
export function overviewOf(json: unknown): Overview {
  const read = v.parse(SwarmOverview, json);
  return {
    relay: { kind: "connected", name: read.name, retryInMs: undefined },
    models: read.models,
    peers: read.peers.map((peer) => ({ ...peer, isSelf: false, span: peer.span ?? undefined, layerMs: peer.layerMs ?? undefined })),
  };
}
