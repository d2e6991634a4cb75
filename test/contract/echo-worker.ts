// A worker that sends every frame back, over the links that are transferred to it.
import { openRtcLink } from "../../src/mesh/rtc/rtc-link.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import { echoLink } from "./echo.ts";

addEventListener("message", ({ data }: MessageEvent<{ readonly remote: PeerId; readonly channel: RTCDataChannel }>) => {
  echoLink(openRtcLink(data.channel, data.remote));
});
