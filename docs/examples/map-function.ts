// Maps a function of your own over many inputs. Results come in order, as they are computed.
// Run: node docs/examples/map-function.ts http://localhost:8787
import { join } from "manyhands";

await using node = await join({ relay: process.argv[2] ?? "http://localhost:8787" });

// The function is sent as text and runs in a sandbox: it sees only its input, and returns JSON.
const longestRun = (start: number): { start: number; steps: number } => {
  let steps = 0;
  for (let at = start; at !== 1; steps++) at = at % 2 === 0 ? at / 2 : 3 * at + 1;
  return { start, steps };
};

function* starts(): Generator<number> {
  for (let start = 1; start <= 2000; start++) yield start;
}

let most = { start: 1, steps: 0 };
for await (const output of node.map("map", starts(), { program: { language: "js", source: String(longestRun) }, batch: 200 })) {
  const found = output as { start: number; steps: number }; // what the function returns
  if (found.steps > most.steps) most = found;
}
console.log(`Up to 2000, ${most.start} takes the most steps to come down to 1: ${most.steps}.`);
