// Tasks end to end: four real tabs compute each kind over random inputs, and the results are checked by other means.
import { createHash } from "node:crypto";
import type { Page } from "@playwright/test";
import * as ort from "onnxruntime-web";
import type { Relay } from "../../relay/relay.ts";
import { render } from "../../src/tasks/kinds/render/render.ts";
import type { Scene } from "../../src/manyhands.ts";
import { volunteersOf } from "../../tools/browser/relay-swarm.ts";
import type { Tab } from "../../tools/browser/tabs.ts";
import { Random } from "../../tools/sim/random.ts";
import { type ApiGlobal, joinFrom } from "../support/api-page.ts";
import { drawFloat, drawList, drawScene, drawText, drawWhole, hashOf, merkleRoot, product, sumInBlocks } from "../support/checked-tasks.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { linearModel } from "../support/tiny-onnx.ts";
import { runWhole } from "../unit/tasks/run-whole.ts";
import { wasmModule } from "../unit/tasks/wasm-module.ts";

/** Opens `count` tabs that lend, and one that asks through the public API. */
async function gather(relay: Relay, openTab: () => Promise<Tab>, count: number): Promise<{ requester: Tab; volunteers: Tab[] }> {
  const volunteers: Tab[] = [];
  for (let n = 0; n < count; n++) volunteers.push(await openTab());
  await Promise.all(volunteers.map((tab) => tab.lend()));
  await expect.poll(() => volunteersOf(relay).length).toBe(count);
  const requester = await openTab();
  await joinFrom(requester);
  return { requester, volunteers };
}

const newest = ({ page }: Tab) => page.evaluate(() => (globalThis as unknown as ApiGlobal).node.state.jobs[0]);

test("each kind gives the right result over four tabs, with random inputs", async ({ relay, openTab }) => {
  test.setTimeout(300_000);
  const seed = Number(process.env["MANYHANDS_SEED"] ?? Date.now() % 1_000_000);
  console.log(`tasks.spec: MANYHANDS_SEED=${seed}`);
  const random = new Random(seed);
  const { requester } = await gather(relay, openTab, 3);
  const { page } = requester;

  await test.step("sum", async () => {
    const floats = Float64Array.from(drawList(random, 100_000, 250_000, drawFloat));
    const wholes = drawList(random, 1000, 20_000, drawWhole);
    const [ofFloats, ofWholes] = await page.evaluate(
      async (data) => {
        const { node } = globalThis as unknown as ApiGlobal;
        const ids = [
          await node.distributeTask({ kind: "sum", data: { floats: data.floats } }),
          await node.distributeTask({ kind: "sum", data: { wholes: data.wholes } }),
        ];
        return Promise.all(ids.map((id) => node.waitForResult(id)));
      },
      { floats: [...floats], wholes },
    );
    expect(ofFloats).toBe(sumInBlocks(floats));
    expect(ofWholes).toBe(wholes.reduce((total, number) => total + number, 0n));
  });

  await test.step("multiply", async () => {
    const [rows, inner, columns] = [random.whole(60, 140), random.whole(60, 140), random.whole(60, 140)];
    const square = <T>(height: number, width: number, draw: (random: Random) => T) => ({
      rows: height,
      columns: width,
      elements: Array.from({ length: height * width }, () => draw(random)),
    });
    const floats = [square(rows, inner, drawFloat), square(inner, columns, drawFloat)] as const;
    const wholes = [square(20, 30, drawWhole), square(30, 20, drawWhole)] as const;
    const [ofFloats, ofWholes] = await page.evaluate(
      async (data) => {
        const { node } = globalThis as unknown as ApiGlobal;
        const first = await node.distributeTask({ kind: "multiply", data: { floats: data.floats } });
        const second = await node.distributeTask({ kind: "multiply", data: { wholes: data.wholes } });
        return [[...(await node.waitForResult(first)).elements], [...(await node.waitForResult(second)).elements]];
      },
      { floats, wholes },
    );
    expect(ofFloats).toEqual(product(...floats, 0));
    expect(ofWholes).toEqual(product(...wholes, 0n));
  });

  await test.step("sort", async () => {
    const numbers = [...drawList(random, 80_000, 160_000, drawFloat), Number.NaN, -0, 0, Infinity, -Infinity];
    const strings = drawList(random, 20_000, 40_000, drawText);
    const [sorted, ordered] = await page.evaluate(
      async (data) => {
        const { node } = globalThis as unknown as ApiGlobal;
        const first = await node.distributeTask({ kind: "sort", data: { numbers: data.numbers } });
        const second = await node.distributeTask({ kind: "sort", data: { strings: data.strings } });
        return [[...(await node.waitForResult(first))] as number[], [...(await node.waitForResult(second))] as string[]] as const;
      },
      { numbers, strings },
    );
    expect(Buffer.from(Float64Array.from(sorted).buffer)).toEqual(Buffer.from(Float64Array.from(numbers).sort().buffer));
    expect(ordered).toEqual(strings.toSorted());
  });

  await test.step("hash", async () => {
    const items = drawList(random, 500, 2000, (drawn) => drawn.bytes(new Uint8Array(drawn.whole(0, 300))));
    const file = random.bytes(new Uint8Array(random.whole(1_000_000, 2_500_000)));
    const [hashes, root] = await page.evaluate(
      async (data) => {
        const { node } = globalThis as unknown as ApiGlobal;
        const first = await node.distributeTask({ kind: "hash", data: { items: data.items } });
        const second = await node.distributeTask({ kind: "hash", data: { file: data.file } });
        return [await node.waitForResult(first), await node.waitForResult(second)];
      },
      { items, file },
    );
    const hex = (all: readonly Uint8Array[] | undefined): readonly string[] => (all ?? []).map((each) => Buffer.from(each).toString("hex"));
    expect(hex(hashes)).toEqual(items.map((item) => hashOf(item).toString("hex")));
    expect(hex(root)).toEqual([merkleRoot(file).toString("hex")]);
  });

  await test.step("map with a function, and with a module", async () => {
    const inputs = drawList(random, 100, 200, (drawn) => ({ text: drawText(drawn), times: drawn.whole(0, 5) }));
    const bytes = drawList(random, 50, 100, (drawn) => drawn.bytes(new Uint8Array(drawn.whole(1, 200))));
    const [texts, same] = await page.evaluate(
      async (data) => {
        const { node } = globalThis as unknown as ApiGlobal;
        const js = { language: "js", source: "({ text, times }) => ({ long: text.repeat(times), length: text.length * times })" } as const;
        const first = await node.distributeTask({ kind: "map", data: { program: js, inputs: data.inputs, batch: 16 } });
        const outputs: unknown[] = [];
        const options = { program: { language: "wasm", module: data.module }, batch: 16 } as const;
        for await (const output of node.map("map", data.bytes, options)) outputs.push(output);
        return [await node.waitForResult(first), outputs] as const;
      },
      { inputs, bytes, module: wasmModule() },
    );
    expect(texts).toEqual(inputs.map(({ text, times }) => ({ long: text.repeat(times), length: text.length * times })));
    expect(same).toEqual(bytes); // the module returns its input
  });

  await test.step("ml_inference", async () => {
    const [width, height] = [random.whole(2, 16), random.whole(2, 16)];
    const list = (length: number): number[] => Array.from({ length }, () => Math.fround(random.next() * 4 - 2));
    const model = linearModel(
      Array.from({ length: width }, () => list(height)),
      list(height),
    );
    const sets = Array.from({ length: 12 }, () => {
      const rows = random.whole(1, 8);
      return { rows, values: Float32Array.from(list(rows * width)) };
    });
    const outputs = await page.evaluate(
      async (data) => {
        const { node } = globalThis as unknown as ApiGlobal;
        const tiles = await node.keepModel(data.model);
        const tensors = data.sets.map(({ rows, values }) => ({
          x: { type: "float32" as const, dims: [rows, data.width], data: new Uint8Array(values.slice().buffer) },
        }));
        const id = await node.distributeTask({
          kind: "ml_inference",
          data: { model: tiles, sets: tensors, multiplyAdds: data.multiplyAdds },
        });
        return (await node.waitForResult(id)).map((set) => set["y"]);
      },
      { model, sets, width, multiplyAdds: width * height },
    );
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    for (const [at, { rows, values }] of sets.entries()) {
      const { y } = await session.run({ x: new ort.Tensor("float32", values, [rows, width]) });
      expect(outputs[at]?.dims).toEqual([rows, height]);
      expect(Buffer.from(outputs[at]?.data ?? [])).toEqual(Buffer.from(new Uint8Array((y as ort.TypedTensor<"float32">).data.buffer))); // to the last bit
    }
    await session.release();
  });

  const jobs = await page.evaluate(() => (globalThis as unknown as ApiGlobal).node.state.jobs);
  expect(jobs.filter(({ state, wrong }) => state !== "done" || wrong > 0)).toEqual([]);
  expect(Math.max(...jobs.map(({ peers }) => peers))).toBeGreaterThanOrEqual(3);
});

/** Draws a picture through the public API. Resolves with the SHA-256 of its pixels, and with how it was computed. */
const picture = ({ page }: Tab, scene: Scene, own: boolean): Promise<{ hash: string; filled: number; parts: number; peers: number }> =>
  page
    .evaluate(
      async ([given, isOwn]) => {
        const { node } = globalThis as unknown as ApiGlobal;
        const id = await node.distributeTask({ kind: "render", data: given, own: isOwn });
        const seen = new Set<number>();
        node.watchParts(id, (at) => seen.add(at));
        const { rgba } = await node.waitForResult(id);
        const job = node.state.jobs.find((each) => each.id === id);
        return { rgba: new Uint8Array(rgba), filled: seen.size, parts: job?.parts ?? 0, peers: job?.peers ?? 0 };
      },
      [scene, own] as const,
    )
    .then(({ rgba, ...rest }) => ({ hash: createHash("sha256").update(rgba).digest("hex"), ...rest }));

test("a picture has the same pixels from one tab, from four, and from Node", async ({ relay, openTab }) => {
  const scene = drawScene(new Random(11), 200, 150);
  const alone = await openTab();
  await joinFrom(alone);
  const one = await picture(alone, scene, true);
  expect(one.peers).toBe(1);
  const { requester } = await gather(relay, openTab, 3);
  // Wait until this tab is linked with all three; else it might draw the whole picture before they join in.
  await expect
    .poll(() => picture(requester, { ...scene, seed: Math.floor(Math.random() * 1e9) }, false).then(({ peers }) => peers))
    .toBe(3);
  const four = await picture(requester, scene, true);
  expect(four.peers).toBe(4);
  expect(four.filled).toBe(four.parts); // it filled in square by square
  expect(four.hash).toBe(one.hash);
  const { rgba } = await runWhole(render, scene);
  expect(one.hash).toBe(createHash("sha256").update(rgba).digest("hex"));
});

/** Resolves with the number of results in a tab's storage. */
const keptResults = (page: Page): Promise<number> =>
  page.evaluate(
    () =>
      new Promise<number>((resolve, reject) => {
        const opening = indexedDB.open("manyhands-tasks");
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const database = opening.result;
          const counting = database.transaction("results").objectStore("results").count();
          counting.onerror = () => reject(counting.error);
          counting.onsuccess = () => resolve(counting.result);
          database.close();
        };
      }),
  );

test("a reload in the middle loses nothing: the job goes on, and settled parts are not computed again", async ({ relay, openTab }) => {
  const scene = drawScene(new Random(12), 480, 360);
  const { requester } = await gather(relay, openTab, 2);
  const { page } = requester;
  const id = await page.evaluate(
    (given) => (globalThis as unknown as ApiGlobal).node.distributeTask({ kind: "render", data: given }),
    scene,
  );
  await expect.poll(async () => (await newest(requester))?.done ?? 0).toBeGreaterThanOrEqual(10);
  const before = await newest(requester);
  await expect.poll(() => keptResults(page)).toBeGreaterThanOrEqual(before?.done ?? 0); // the part that was settled last may not be written yet
  expect((await newest(requester))?.state).not.toBe("done");
  await page.reload();
  await joinFrom(requester);
  const rgba = await page.evaluate(
    async (job) => new Uint8Array((await (globalThis as unknown as ApiGlobal).node.waitForResult(job)).rgba),
    id,
  );
  const after = await newest(requester);
  expect(after).toMatchObject({ id, state: "done", done: before?.parts });
  expect(after?.cached).toBeGreaterThanOrEqual(before?.done ?? 0);
  const expected = await runWhole(render, scene);
  expect(Buffer.from(rgba).equals(Buffer.from(expected.rgba))).toBe(true);
  // The same job again has its result at once, from the kept parts.
  await page.evaluate(async (given) => {
    const { node } = globalThis as unknown as ApiGlobal;
    await node.waitForResult(await node.distributeTask({ kind: "render", data: given }));
  }, scene);
  const again = await newest(requester);
  expect(again).toMatchObject({ state: "done", cached: before?.parts });
});

test("a volunteer that is closed in the middle loses nothing", async ({ relay, openTab }) => {
  const { requester, volunteers } = await gather(relay, openTab, 3);
  const random = new Random(13);
  const items = drawList(random, 12_000, 12_000, (drawn) => drawn.bytes(new Uint8Array(drawn.whole(200, 400))));
  await requester.page.evaluate(async (all) => {
    const { node } = globalThis as unknown as ApiGlobal;
    await node.distributeTask({ kind: "hash", data: { items: all }, own: false });
  }, items);
  await expect.poll(async () => (await newest(requester))?.done ?? 0).toBeGreaterThanOrEqual(1);
  await volunteers[0]?.close();
  const hashes = await requester.page.evaluate(async () => {
    const { node } = globalThis as unknown as ApiGlobal;
    const [job] = node.state.jobs;
    if (job === undefined) throw new Error("the job is gone");
    return (await node.waitForResult(job.id)) as readonly Uint8Array[];
  });
  expect(hashes.map((each) => Buffer.from(each).toString("hex"))).toEqual(items.map((item) => hashOf(item).toString("hex")));
});
