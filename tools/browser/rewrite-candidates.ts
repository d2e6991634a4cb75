// Runs in a page before its own code: whatever address another tab names is replaced by that of the proxy's stand for it.

export const REWRITE_BINDING = "manyhandsStandFor";

/**
 * Wraps `addIceCandidate` and `setRemoteDescription`. Candidates over UDP and IPv4 of the other side's own interfaces come
 * to stand for themselves; all others are dropped, so that no way leads round the proxy. Self-contained: it is sent as text.
 */
export function rewriteCandidates(binding: string): void {
  if (!("RTCPeerConnection" in globalThis)) return; // not a secure page
  const standFor = Reflect.get(globalThis, binding) as (address: string, port: number) => Promise<number>;
  // Of both overloads the ones that answer with promises.
  const { addIceCandidate, setRemoteDescription } = RTCPeerConnection.prototype as unknown as {
    readonly addIceCandidate: (this: RTCPeerConnection, candidate?: RTCIceCandidateInit | null) => Promise<void>;
    readonly setRemoteDescription: (this: RTCPeerConnection, description: RTCSessionDescriptionInit) => Promise<void>;
  };
  /** Rewriting takes a moment, and what the page calls one after the other must stay so. */
  const tails = new WeakMap<RTCPeerConnection, Promise<unknown>>();
  const inTurn = <T>(connection: RTCPeerConnection, work: () => Promise<T>): Promise<T> => {
    const turn = (tails.get(connection) ?? Promise.resolve()).then(work);
    tails.set(
      connection,
      turn.catch(() => {}), // whoever called sees the failure
    );
    return turn;
  };

  /** `candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host …`; undefined where it is to be dropped. */
  const rewrite = async (line: string): Promise<string | undefined> => {
    const fields = line.split(" ");
    const [, , protocol, , address = "", port, , type] = fields;
    if (protocol?.toLowerCase() !== "udp" || type !== "host") return undefined;
    if (address.endsWith(".local")) throw new Error("the browser hides its addresses: launch it with PROXY_FLAGS");
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return undefined;
    fields[5] = String(await standFor(address, Number(port)));
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
