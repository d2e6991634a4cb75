// The parts of one hop between two tabs (serialise, send, on the way, read), beside a bare data channel, for 3 KB and 16 KB.
import { parseArgs } from "node:util";
import { startRelay } from "../../relay/relay.ts";
import { onBed, rounded, wholeNumber } from "./bench-bed.ts";
import { HopPair } from "./hop-pair.ts";
import { percentile, spread } from "./spread.ts";

const DEFAULTS = Object.freeze({
  /** A hidden state of 768 floats, and of 4,096. */
  bytes: "3072,16384",
  rounds: "5",
  /** Pings of each kind and size in a round. */
  pings: "100",
  /** Milliseconds between two pings: 0 is back to back, more is what a decode step leaves between them. */
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
    const note = (name: string, value: number): void => void parts.set(name, [...(parts.get(name) ?? []), value]);
    for (let round = 0; round <= rounds; round++) {
      for (const size of sizes) {
        const [link, raw] = [await pair.link(size, pings, pauseMs), await pair.raw(size, pings)];
        if (round === 0) continue; // warms up
        for (const times of link) for (const [part, ms] of Object.entries(times)) note(`${size} ${part}`, ms);
        for (const { thereMs, roundTripMs } of raw) {
          note(`${size} rawThereMs`, thereMs);
          note(`${size} rawRoundTripMs`, roundTripMs);
        }
      }
    }
    for (const size of sizes) {
      const told = [...parts].filter(([name]) => name.startsWith(`${size} `));
      const figures = told.map(([name, ms]) => [name.split(" ")[1], { ...spread(ms), p95: rounded(percentile(ms, 0.95), 3) }]);
      console.log(JSON.stringify({ bench: "hop", bytes: size, pauseMs, ...Object.fromEntries(figures) }));
    }
    await pair.close();
    await relay.stop();
  });
}
