// The life line over real connections: a peer that does not reply is gone, unless other data still comes from it.
import { expect, test } from "vitest";
import { bytesReceived } from "../../../src/mesh/rtc/rtc-connection.ts";
import { RTC_LIFE, RtcLife } from "../../../src/mesh/rtc/rtc-life.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { connectPeers } from "../../support/connect-peers.ts";

/**
 * Opens a life line whose other end reads every message and replies to none. `send` makes that end use another channel.
 */
async function openToDeafPeer() {
  const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const gone = Promise.withResolvers<string>();
  const life = new RtcLife(
    near.createDataChannel("life", { negotiated: true, id: 0 }),
    [],
    { onGone: gone.resolve, isWatched: () => true, received: () => bytesReceived(near), onRoundTrip: () => {} },
    systemClock,
  );
  far.createDataChannel("life", { negotiated: true, id: 0 });
  const data = far.createDataChannel("data", { negotiated: true, id: 2 });
  near.createDataChannel("data", { negotiated: true, id: 2 });
  const opened = new Promise((resolve) => data.addEventListener("open", resolve));
  await connectPeers(near, far);
  await opened;
  const close = (): void => {
    life.stop();
    near.close();
    far.close();
  };
  return { gone: gone.promise, send: () => data.send(new Uint8Array(1000)), close };
}

test.concurrent("a peer that does not reply is gone, although its browser confirms what it receives", async () => {
  const began = performance.now();
  const { gone, close } = await openToDeafPeer();
  expect(await gone).toContain("no sign of life");
  expect(performance.now() - began).toBeGreaterThan(RTC_LIFE.silentMs);
  expect(performance.now() - began).toBeLessThan(3 * RTC_LIFE.silentMs);
  close();
});

test.concurrent("a peer whose reply is stuck behind other data is kept for as long as the data comes", async () => {
  const { gone, send, close } = await openToDeafPeer();
  const ended = gone.then(() => true);
  const sending = setInterval(send, 100);
  expect(await Promise.race([ended, systemClock.sleep(3 * RTC_LIFE.silentMs)])).toBeUndefined();
  clearInterval(sending);
  expect(await ended).toBe(true);
  close();
});
