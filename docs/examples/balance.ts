// Distributes a job for credit, and shows what it cost. Run: node docs/examples/balance.ts http://localhost:8787
import { join } from "manyhands";

await using node = await join({ relay: process.argv[2] ?? "http://localhost:8787" });

// A credit is a million microcredits. A new account begins with an allowance, which gives low priority.
const credits = (micro: number): string => (micro / 1e6).toFixed(3);

const before = await node.getBalance();
console.log(`Account ${node.self}: ${credits(before.available)} credits, ${credits(before.starterLeft)} of its first allowance.`);

// The job may cost up to a tenth of a credit. The ledger reserves that much before the job begins; what is not spent
// comes back.
const items = Array.from({ length: 2000 }, (_, at) => new TextEncoder().encode(`item ${at}`));
const id = await node.distributeTask({ kind: "hash", data: { items }, reward: 0.1, own: false });
const meanwhile = await node.getBalance();
console.log(`Reserved for the job: ${credits(meanwhile.reserved)} credits.`);
const hashes = await node.waitForResult(id);
console.log(`${hashes.length} hashes, the first ${Buffer.from(hashes[0] ?? []).toString("hex")}.`);
