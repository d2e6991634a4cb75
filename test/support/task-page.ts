// The panel for tasks, operated as a person operates it.
import { readFile } from "node:fs/promises";
import { expect, type Locator, type Page } from "@playwright/test";
import type { Tab } from "../../tools/browser/tabs.ts";

/** Milliseconds for a job of a test on a busy machine. */
const JOB_MS = 120_000;

export class TaskPage {
  readonly page: Page;

  constructor({ page }: Tab) {
    this.page = page;
  }

  async open(): Promise<void> {
    await this.page.getByTestId("tasks-open").click();
    await this.page.getByTestId("task-form").waitFor();
  }

  async choose(kind: string): Promise<void> {
    await this.page.getByTestId(`task-kind-${kind}`).check();
    await this.page.locator(`[data-testid="task-form"][data-kind="${kind}"]`).waitFor();
  }

  /** Hands over one of the scenes of the page; `own`: whether the tab itself computes, too. */
  async render(scene: string, size: string, fineness: string, own = true): Promise<Locator> {
    await this.choose("render");
    for (const [name, value] of Object.entries({ scene, size, fineness })) await this.page.getByTestId(`task-${name}-${value}`).check();
    await this.alone(own);
    return this.submit();
  }

  /** Sets whether this tab computes parts of its own jobs. */
  async alone(own: boolean): Promise<void> {
    const box = this.page.getByTestId("task-own");
    if (!(await box.isVisible())) await this.page.getByTestId("task-settings").click();
    await box.setChecked(own);
  }

  /** Submits the form. Resolves with the new job in the list. */
  async submit(): Promise<Locator> {
    const newest = async (): Promise<string | null> =>
      (await this.jobs.count()) === 0 ? null : this.jobs.first().getAttribute("data-job");
    const before = await newest();
    await this.page.getByTestId("task-submit").click();
    await expect.poll(newest).not.toBe(before);
    return this.page.locator(`[data-job="${(await newest()) ?? ""}"]`); // it stays this one when others come
  }

  get jobs(): Locator {
    return this.page.getByTestId("job");
  }

  async over(job: Locator, state: "done" | "failed" | "stopped"): Promise<void> {
    await expect(job).toHaveAttribute("data-state", state, { timeout: JOB_MS });
  }

  /** Resolves with the file that the button saves. */
  async save(work: Locator): Promise<Buffer> {
    const [download] = await Promise.all([this.page.waitForEvent("download"), work.getByTestId("job-save").click()]);
    return readFile(await download.path());
  }
}

/** Pixels of a PNG file, as a browser decodes it. */
export async function decodePng(
  page: Page,
  file: Buffer,
): Promise<{ readonly width: number; readonly height: number; readonly rgba: readonly number[] }> {
  return page.evaluate(
    async (bytes) => {
      const blob = new Blob([Uint8Array.from(bytes)], { type: "image/png" });
      const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context?.drawImage(bitmap, 0, 0);
      const { width, height } = bitmap;
      return { width, height, rgba: [...(context?.getImageData(0, 0, width, height).data ?? [])] };
    },
    [...file],
  );
}
