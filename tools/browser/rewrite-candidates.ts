// Runs in a page before the page's own code: replaces every address of another tab by that of the proxy's socket for
// it.

export const REWRITE_BINDING = "manyhandsProxyPort";

/**
 * Wraps `addIceCandidate` and `setRemoteDescription`. The other side's candidates on its own interfaces, over UDP and
 * IPv4, get the proxy's port; all others are dropped, so that no path bypasses the proxy. Self-contained, because it is
 * sent as text.
 */
export function rewriteCandidates(binding: string): void {
  if (!("RTCPeerConnection" in globalThis)) return; // not a secure context
  const proxyPort = Reflect.get(globalThis, binding) as (address: string, port: number) => Promise<number>;
  // Both methods have an older overload with callbacks; these are the overloads that return promises.
  const { addIceCandidate, setRemoteDescription } = RTCPeerConnection.prototype as unknown as {
    readonly addIceCandidate: (this: RTCPeerConnection, candidate?: RTCIceCandidateInit | null) => Promise<void>;
    readonly setRemoteDescription: (this: RTCPeerConnection, description: RTCSessionDescriptionInit) => Promise<void>;
  };
  /** The last call of each connection: rewriting is asynchronous, and the page's calls must stay in order. */
  const tails = new WeakMap<RTCPeerConnection, Promise<unknown>>();
  const inTurn = <T>(connection: RTCPeerConnection, work: () => Promise<T>): Promise<T> => {
    const turn = (tails.get(connection) ?? Promise.resolve()).then(work);
    tails.set(
      connection,
      turn.catch(() => {}), // its caller sees the failure
    );
    return turn;
  };

  /** Rewrites `candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host …`; undefined if it is to be dropped. */
  const rewrite = async (line: string): Promise<string | undefined> => {
    const fields = line.split(" ");
    const [, , protocol, , address = "", port, , type] = fields;
    if (protocol?.toLowerCase() !== "udp" || type !== "host") return undefined;
    if (address.endsWith(".local")) throw new Error("the browser hides its addresses: launch it with PROXY_FLAGS");
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return undefined;
    fields[5] = String(await proxyPort(address, Number(port)));
    return fields.join(" ");
  };

  RTCPeerConnection.prototype.addIceCandidate = function (this: RTCPeerConnection, given?: RTCIceCandidateInit | null): Promise<void> {
    return inTurn(this, async () => {
      if (!given?.candidate) return addIceCandidate.call(this, given); // the end of candidates
      const { sdpMid = null, sdpMLineIndex = null, usernameFragment = null } = given;
      const candidate = await rewrite(given.candidate);
      if (candidate === undefined) return;
      return addIceCandidate.call(this, { candidate, sdpMid, sdpMLineIndex, usernameFragment });
    });
  };

  RTCPeerConnection.prototype.setRemoteDescription = function (this: RTCPeerConnection, given: RTCSessionDescriptionInit): Promise<void> {
    return inTurn(this, async () => {
      const lines: string[] = [];
      for (const line of (given.sdp ?? "").split("\r\n")) {
        const rewritten = line.startsWith("a=candidate:") ? await rewrite(line.slice(2)) : undefined;
        if (rewritten !== undefined) lines.push(`a=${rewritten}`);
        else if (!line.startsWith("a=candidate:")) lines.push(line);
      }
      return setRemoteDescription.call(this, { type: given.type, sdp: lines.join("\r\n") });
    });
  };
}
