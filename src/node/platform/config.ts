// The node's configuration, read from the page: no other file of src/node reads the page's address.
import type { HostKind } from "../state.ts";

export interface NodeConfig {
  /** Origin of the relay that served this page. */
  readonly relayOrigin: string;
  readonly host: HostKind;
}

export function readConfig(host: HostKind): NodeConfig {
  return { relayOrigin: location.origin, host };
}
