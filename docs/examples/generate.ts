// Continues a text on the tabs of a relay. Run: node docs/examples/generate.ts http://localhost:8787 "Once upon a time"
import { join } from "manyhands";

await using node = await join({ relay: process.argv[2] ?? "http://localhost:8787" });

// Always the most likely token, so the text is the same every time.
const options = { maxTokens: 40, temperature: 0, repetitionPenalty: 1 };
for await (const event of node.generate(process.argv[3] ?? "Once upon a time", options)) {
  if (event.kind === "token") process.stdout.write(event.text);
  if (event.kind === "routed") console.log(`Over ${event.hops.length} tabs:`);
  if (event.kind === "done")
    console.log(`${event.text}\n${event.stats.newTokens} tokens, ${event.stats.tokensPerSecond.toFixed(1)} a second.`);
}
