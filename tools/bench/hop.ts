// The parts of one hop between two tabs (serialise, send, travel, read), for 3 KB and 16 KB, beside a bare channel.
import { parseArgs } from "node:util";
import { startRelay } from "../../relay/relay.ts";
import { onBed, rounded, wholeNumber } from "./parts/bench-bed.ts";
import { HopPair } from "./parts/hop-pair.ts";
import { percentile, spread } from "./parts/spread.ts";

/** The kinds of link that are timed, by their names in the bench's page. */
const WAYS = Object.freeze(["rtc", "stream"] as const);

const DEFAULTS = Object.freeze({
  /** A hidden state of 768 floats, and one of 4,096. */
  bytes: "3072,16384",
  rounds: "5",
  /** Pings of each kind and size in a round. */
  pings: "100",
  /** Milliseconds between two pings: 0 is back to back; decode steps leave a pause between them. */
  pause: "0",
});

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      bytes: { type: "string", default: DEFAULTS.bytes },
      rounds: { type: "string", default: DEFAULTS.rounds },
      pings: { type: "string", default: DEFAULTS.pings },
      pause: { type: "string", default: DEFAULTS.pause },
    },
  });
  const sizes = values.bytes.split(",").map((text) => wholeNumber("bytes", text, 4));
  const [rounds, pings, pauseMs] = [
    wholeNumber("rounds", values.rounds),
    wholeNumber("pings", values.pings),
    wholeNumber("pause", values.pause, 0),
  ];
  await onBed([], async ({ browser, folder }) => {
    const relay = await startRelay({ port: 0, data: folder("relay") });
    const pair = await HopPair.open(browser, relay);
    const parts = new Map<string, number[]>();
    const note = (size: number, way: string, times: readonly object[]): void => {
      for (const [part, ms] of times.flatMap((each): [string, number][] => Object.entries(each))) {
        const key = `${size} ${way} ${part}`;
        parts.set(key, [...(parts.get(key) ?? []), ms]);
      }
    };
    for (let round = 0; round <= rounds; round++) {
      for (const size of sizes) {
        const measured: [string, readonly object[]][] = [];
        for (const way of WAYS) measured.push([way, await pair.link(way, size, pings, pauseMs)]);
        measured.push(["bare", await pair.raw(size, pings)]);
        if (round > 0) for (const [way, times] of measured) note(size, way, times); // the first round warms up
      }
    }
    for (const size of sizes) {
      for (const over of [...WAYS, "bare"]) {
        const own = [...parts].filter(([key]) => key.startsWith(`${size} ${over} `));
        const figures = own.map(([key, ms]) => [key.split(" ")[2], { ...spread(ms), p95: rounded(percentile(ms, 0.95), 3) }]);
        console.log(JSON.stringify({ bench: "hop", bytes: size, over, pauseMs, ...Object.fromEntries(figures) }));
      }
    }
    await pair.close();
    await relay.stop();
  });
}
