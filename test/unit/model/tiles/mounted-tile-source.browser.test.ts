// Slices of real files in a real directory handle: the browser's private file system has handles of the same kind.
import { expect, test } from "vitest";
import { MountedTileSource } from "../../../../src/model/tiles/mounted-tile-source.ts";
import type { TileRange } from "../../../../src/model/tiles/tile-source.ts";

const never = new AbortController().signal;
const range = (file: string, offset: number, length: number): TileRange => ({ file, offset, length, sha256: new Uint8Array(32) });

async function folder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  const model = await root.getDirectoryHandle("model", { create: true });
  const onnx = await model.getDirectoryHandle("onnx", { create: true });
  for (const [where, name] of [
    [model, "a.data"],
    [onnx, "b.data"],
  ] as const) {
    const writable = await (await where.getFileHandle(name, { create: true })).createWritable();
    await writable.write(Uint8Array.from({ length: 100 }, (_, index) => index));
    await writable.close();
  }
  return model;
}

test("gives slices of files, in folders too, and says which file is short or missing", async () => {
  const source = new MountedTileSource(await folder());
  const read = async (...ranges: TileRange[]): Promise<number[][]> => {
    const found: number[][] = [];
    for await (const { bytes } of source.read(ranges, never)) found.push([...bytes]);
    return found;
  };
  expect(await read(range("a.data", 3, 2), range("onnx/b.data", 98, 2))).toEqual([
    [3, 4],
    [98, 99],
  ]);
  await expect(read(range("a.data", 99, 2))).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  await expect(read(range("c.data", 0, 1))).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
  await expect(read(range("../model/a.data", 0, 1))).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
});

test("says whether a folder holds a model's files before anything is read", async () => {
  const source = new MountedTileSource(await folder());
  expect(
    await source.whyUnfit([
      { path: "a.data", size: 100 },
      { path: "onnx/b.data", size: 100 },
    ]),
  ).toBeUndefined();
  expect(await source.whyUnfit([{ path: "onnx/b.data", size: 101 }])).toMatch(/another file: it has 100 bytes, not 101/);
  expect(await source.whyUnfit([{ path: "b.data", size: 100 }])).toMatch(/the folder "model" has no "b.data"/);
});
