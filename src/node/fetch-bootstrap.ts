// Asks the relay over HTTP what a peer needs to join: where its mesh is, and which models it serves.
import * as v from "valibot";
import { Bootstrap } from "../protocol/relay-api.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { ManyhandsError, errorMessage } from "../shared/errors.ts";

/** Returns what the relay at `origin` says. Throws RELAY_UNREACHABLE, or the signal's reason. */
export async function fetchBootstrap(origin: string, signal: AbortSignal): Promise<Bootstrap> {
  let body: unknown;
  try {
    const response = await fetch(new URL("/api/bootstrap", origin), { signal, cache: "no-store" });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    body = await response.json();
  } catch (cause) {
    signal.throwIfAborted();
    throw new ManyhandsError(
      "RELAY_UNREACHABLE",
      `The relay at ${origin} does not answer (${errorMessage(cause)}). Check your connection; this page keeps trying.`,
      { cause },
    );
  }
  const read = v.safeParse(Bootstrap, body);
  if (!read.success)
    throw new ManyhandsError(
      "RELAY_UNREACHABLE",
      `The relay at ${origin} answers with something that this page cannot read. Reload the page.`,
    );
  if (read.output.protocolVersion !== PROTOCOL_VERSION) {
    throw new ManyhandsError(
      "RELAY_UNREACHABLE",
      `The relay at ${origin} speaks version ${read.output.protocolVersion} of the protocol, this page version ${PROTOCOL_VERSION}. Reload the page.`,
    );
  }
  return read.output;
}
