// Maps a WebAssembly module over byte arrays. Each result comes as soon as it is computed.
// Run: node docs/examples/map-wasm.ts http://localhost:8787
import { join } from "manyhands";

await using node = await join({ relay: process.argv[2] ?? "http://localhost:8787" });

/*
 * Adds 1 to every byte of its input. In the text format:
 *   (module
 *     (memory (export "memory") 1 4)
 *     (func (export "alloc") (param i32) (result i32) (i32.const 1024))
 *     (func (export "run") (param $at i32) (param $length i32) (result i64) (local $i i32)
 *       (loop $next (if (i32.lt_u (local.get $i) (local.get $length)) (then
 *         (i32.store8 (i32.add (local.get $at) (local.get $i)) (i32.add (i32.load8_u (i32.add (local.get $at)
 * (local.get $i))) (i32.const 1)))
 *         (local.set $i (i32.add (local.get $i) (i32.const 1)))
 *         (br $next))))
 *       (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $length)))))
 */
const module = Buffer.from(
  "AGFzbQEAAAABDAJgAX8Bf2ACf38BfgMDAgABBQQBAQEEBxgDBm1lbW9yeQIABWFsbG9jAAADcnVuAAEKPQIFAEGACAs1AQF/A0AgAiABSQRAIAAgAmogACACai0AAEEBajoAACACQQFqIQIMAQsLIACtQiCGIAGthAs=",
  "base64",
);

const words = ["G@K", "9000", "bnqqdbs"].map((word) => new TextEncoder().encode(word));
const options = { program: { language: "wasm", module: new Uint8Array(module) }, ordered: false, batch: 1 } as const;
for await (const output of node.map("map", words, options)) console.log(new TextDecoder().decode(output as Uint8Array));
