// Renders a 3D scene on the tabs of a relay and saves it as a PNG file.
// Run: node docs/examples/render-png.ts http://localhost:8787 picture.png
import { writeFile } from "node:fs/promises";
import { crc32, deflateSync } from "node:zlib";
import { join, type Picture, type Scene } from "manyhands";

const scene: Scene = {
  width: 320,
  height: 200,
  samples: 16,
  bounces: 5,
  seed: 1,
  camera: { position: [0, 1.2, 5], target: [0, 0.6, 0], viewHeight: 0.8 },
  sky: { horizon: [0.9, 0.9, 1], zenith: [0.3, 0.5, 0.9] },
  materials: [
    { kind: "matt", colour: [0.5, 0.6, 0.5] },
    { kind: "metal", colour: [0.9, 0.7, 0.4], blur: 0.05 },
    { kind: "glass", colour: [1, 1, 1], index: 1.5 },
    { kind: "matt", colour: [0.8, 0.2, 0.2] },
  ],
  spheres: [
    { centre: [0, -1000, 0], radius: 1000, material: 0 },
    { centre: [-1.1, 0.6, 0], radius: 0.6, material: 1 },
    { centre: [0.2, 0.5, 0.8], radius: 0.5, material: 2 },
    { centre: [1.2, 0.7, -0.4], radius: 0.7, material: 3 },
  ],
  triangles: [],
  lights: [{ position: [3, 6, 4], light: [30, 30, 30] }],
};

await using node = await join({ relay: process.argv[2] ?? "http://localhost:8787" });
const id = await node.distributeTask({ kind: "render", data: scene });
let drawn = 0;
node.watchParts(id, (_at, _output, count) => {
  if (++drawn % 10 === 0 || drawn === count) console.log(`${drawn} of ${count} squares`);
});
const picture = await node.waitForResult(id);
const file = process.argv[3] ?? "picture.png";
await writeFile(file, png(picture));
console.log(`${file}: ${picture.width} by ${picture.height} pixels`);

/** Returns the picture as a PNG file: https://www.w3.org/TR/png-3/ */
function png({ width, height, rgba }: Picture): Buffer {
  const chunk = (name: string, body: Uint8Array): Buffer => {
    const named = Buffer.concat([Buffer.from(name), body]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.byteLength);
    check.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits of red, green, blue and alpha
  // Each row begins with the number of its filter: 0, for none.
  const rows = Array.from({ length: height }, (_, y) => [Buffer.of(0), Buffer.from(rgba.subarray(4 * width * y, 4 * width * (y + 1)))]);
  const signature = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.concat(rows.flat()))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
