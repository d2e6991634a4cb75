// Answers every frame of the links that are moved into it with itself.
import { openRtcLink } from "../../src/mesh/rtc-link.ts";
import type { PeerId } from "../../src/shared/ids.ts";

addEventListener("message", ({ data }: MessageEvent<{ readonly remote: PeerId; readonly channel: RTCDataChannel }>) => {
  const link = openRtcLink(data.channel, data.remote);
  void (async () => {
    for await (const frame of link.frames) await link.send(frame);
  })().catch(() => undefined); // the other side went away, as tests do
});
