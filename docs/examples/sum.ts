// Adds a million whole numbers of any size exactly, on the tabs of a relay.
// Run: node docs/examples/sum.ts http://localhost:8787
import { join } from "manyhands";

await using node = await join({ relay: process.argv[2] ?? "http://localhost:8787" });

const wholes = Array.from({ length: 1_000_000 }, (_, at) => BigInt(at + 1) ** 3n);
const id = await node.distributeTask({ kind: "sum", data: { wholes }, label: "cubes" });
console.log(`The sum of the first million cubes is ${await node.waitForResult(id)}.`);

const job = node.state.jobs.find((each) => each.id === id);
console.log(`${job?.done} tasks, ${job?.checked} of them computed twice and compared, by ${job?.peers} peers.`);
