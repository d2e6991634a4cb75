// Works around a race in @libp2p/webrtc 6.0: a dial that loses it waits for an event that has come already, and times
// out.
//
// The caller opens a data channel named "init" and, once connected, waits for it to open, closes it, and waits for it
// to close. The called side closes the same channel as soon as it sees it. If it does so first, the caller finds the
// channel closed and waits for "open" for ever. Seen with two dials at once on a busy machine, in most tries.

const INIT_LABEL = "init";
const MARK = Symbol("manyhands: init channels repeat what a late listener missed");

/** Makes every "init" channel look open once it was open, and emit "close" again if it is closed late. Idempotent. */
export function settleInitChannels(prototype: RTCPeerConnection): void {
  if (MARK in prototype) return;
  const { createDataChannel } = Object.getOwnPropertyDescriptors(prototype);
  const create = createDataChannel?.value as (this: RTCPeerConnection, label: string, options?: RTCDataChannelInit) => RTCDataChannel;
  Object.defineProperty(prototype, MARK, { value: true });
  prototype.createDataChannel = function (label, options) {
    const channel = create.call(this, label, options);
    if (label === INIT_LABEL) settle(channel);
    return channel;
  };
}

function settle(channel: RTCDataChannel): void {
  let opened = false;
  let closed = false;
  channel.addEventListener("open", () => (opened = true), { once: true });
  channel.addEventListener("close", () => (closed = true), { once: true });
  const readState = (): unknown => Reflect.get(RTCDataChannel.prototype, "readyState", channel);
  Object.defineProperties(channel, {
    readyState: { get: () => (opened ? "open" : readState()) },
    close: {
      value: () => {
        RTCDataChannel.prototype.close.call(channel);
        // One task later, because the caller begins to listen only after it has called `close`.
        if (closed) setTimeout(() => channel.dispatchEvent(new Event("close")), 0);
      },
    },
  });
}
