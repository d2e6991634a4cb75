// The node's configuration: the one place in the page that reads its surroundings.
import type { HostKind } from "../state.ts";

export interface NodeConfig {
  /** Origin of the relay that served this page. */
  readonly relayOrigin: string;
  readonly host: HostKind;
}

export function readConfig(host: HostKind): NodeConfig {
  return { relayOrigin: location.origin, host };
}
