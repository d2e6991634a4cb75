// The path tracer on a graphics card, or on the browser's software adapter, against the one that is exact everywhere.
import type { Page } from "@playwright/test";
import { putInPages } from "../../tools/browser/bundle-page.ts";
import { launchBrowser, Tab, WEBGPU_FLAGS } from "../../tools/browser/tabs.ts";
import { PROBE_LIMITS, renderGpuBy } from "../../src/tasks/kinds/render/render-gpu.ts";
import { render } from "../../src/tasks/kinds/render/render.ts";
import type { Scene } from "../../src/tasks/kinds/render/scene.ts";
import { sceneOf } from "../../src/ui/tasks/forms/render-form.ts";
import { SCENES } from "../../src/ui/tasks/forms/scenes.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { decodePng, TaskPage } from "../support/task-page.ts";
import { runWhole } from "../unit/tasks/run-whole.ts";
import type * as Gpu from "../support/gpu-page.ts";

type GpuGlobal = typeof globalThis & { readonly Gpu: typeof Gpu };

const SITE = "http://localhost/gpu";

/** Resolves with the output or the error message of each square of a scene; undefined if there is no adapter. */
const drawOn = (page: Page, scene: Scene, stopped = false): Promise<(readonly number[] | string)[] | undefined> =>
  page.evaluate(
    async ([given, isStopped]) => {
      const { Gpu: gpu } = globalThis as GpuGlobal;
      if (!(await gpu.hasGpuAdapter(navigator.gpu))) return undefined;
      const kind = gpu.renderGpuBy(new gpu.GpuTracer(navigator.gpu));
      const stop = new AbortController();
      const progress = (): void => {
        if (isStopped) stop.abort(new Error("stopped"));
      };
      const outputs: (readonly number[] | string)[] = [];
      for (const part of kind.split(given)) {
        try {
          outputs.push([...(await kind.run(part, { signal: stop.signal, progress }))]);
        } catch (error) {
          outputs.push(error instanceof Error ? error.message : "");
        }
      }
      return outputs;
    },
    [scene, stopped] as const,
  );

test("a picture for graphics cards is drawn by the card of a lending tab, and checked by the tab that asked", async ({ relay }) => {
  test.setTimeout(240_000);
  const browser = await launchBrowser(WEBGPU_FLAGS);
  try {
    const lending = await Tab.open(browser, relay.url);
    const adapter = await lending.page.evaluate(async () => (await (navigator as Partial<Navigator>).gpu?.requestAdapter())?.info.vendor);
    test.skip(adapter === undefined, "no WebGPU adapter in this browser, not even the software one");
    await lending.lend();
    const asking = new TaskPage(await Tab.open(browser, relay.url));
    await asking.open();
    await asking.page.getByTestId("task-by-card").check();
    const job = await asking.render("ring", "small", "quick", false);
    await asking.over(job, "done");
    await expect(job).toHaveAttribute("data-kind", "render_gpu");
    await expect(job).toHaveAttribute("data-peers", "1"); // one card is enough, since this tab checks itself
    await expect(job).toHaveAttribute("data-wrong", "0");
    await expect(job.getByTestId("job-picture")).toHaveAttribute("data-drawn", "2");
    const { rgba } = await runWhole(render, sceneOf({ scene: "ring", size: "small", fineness: "quick" }));
    const saved = await decodePng(asking.page, await asking.save(job));
    const far = saved.rgba.filter((byte, at) => Math.abs(byte - (rgba[at] ?? 0)) > PROBE_LIMITS.near).length;
    expect(saved.rgba.length).toBe(rgba.length);
    expect(far / rgba.length).toBeLessThan(0.02);
    expect(saved.rgba.some((byte, at) => byte !== rgba[at])).toBe(true); // so the exact tracer did not draw it
  } finally {
    await browser.close();
  }
});

test("squares drawn on WebGPU differ from the exact ones by less than the stated tolerance", async () => {
  test.setTimeout(240_000);
  const browser = await launchBrowser(WEBGPU_FLAGS);
  try {
    const page = await browser.newPage();
    await page.route(SITE, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>gpu</title>" }));
    await page.goto(SITE);
    await putInPages([page], new URL("../support/gpu-page.ts", import.meta.url), "Gpu");
    const kind = renderGpuBy(undefined);
    for (const { make } of Object.values(SCENES)) {
      const scene = make({ width: 150, height: 70, samples: 4 }); // two squares, of which the second is narrow
      const outputs = await drawOn(page, scene);
      test.skip(outputs === undefined, "no WebGPU adapter in this browser, not even the software one");
      const bytes = (outputs ?? []).map((output) => Uint8Array.from(typeof output === "string" ? [] : output));
      const [drawn, exact] = [kind.join(scene, bytes), await runWhole(render, scene)];
      let [far, sum] = [0, 0];
      for (let at = 0; at < exact.rgba.length; at += 4) {
        const differences = [0, 1, 2].map((channel) => Math.abs((drawn.rgba[at + channel] ?? 0) - (exact.rgba[at + channel] ?? 0)));
        far += Math.max(...differences) > PROBE_LIMITS.near ? 1 : 0;
        sum += differences[0] ?? 0;
      }
      const pixels = exact.rgba.length / 4;
      expect(far / pixels).toBeLessThan(0.02);
      expect(sum / pixels).toBeLessThan(0.5);
      const verdicts = kind
        .split(scene)
        .flatMap((part, at) => Array.from({ length: 20 }, () => kind.accepts?.(part, bytes[at] ?? new Uint8Array(0), Math.random)));
      expect(new Set(verdicts)).toEqual(new Set([true]));
    }
    const long = SCENES.room.make({ width: 128, height: 128, samples: 4096 });
    expect(await drawOn(page, long, true)).toEqual(["stopped"]);
  } finally {
    await browser.close();
  }
});
