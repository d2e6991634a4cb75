// Works round a race in @libp2p/webrtc 6.0: a dial that loses it waits for an event that has come already, and times out.
//
// The caller opens a data channel named "init" and, once connected, waits for it to open, closes it, and waits for it to
// close. The called side closes the same channel as soon as it sees it. Where that is sooner, the caller finds the channel
// closed and waits for "open" for ever. Seen with two dials at once on a busy machine, in most tries.

const INIT_LABEL = "init";
const MARK = Symbol("manyhands: init channels tell late what they went through");

/** Makes every "init" channel seem open once it was, and say "close" again to whoever closes it late. Idempotent. */
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
        // A task later: the caller listens only after it has called `close`.
        if (closed) setTimeout(() => channel.dispatchEvent(new Event("close")), 0);
      },
    },
  });
}
