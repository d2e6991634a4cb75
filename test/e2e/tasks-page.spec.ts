// Jobs on the page: a person hands them over, follows, stops and saves them, and sees them go on after a reload. A
// fault is shown at its field.
import { render } from "../../src/tasks/kinds/render/render.ts";
import { sceneOf } from "../../src/ui/tasks/forms/render-form.ts";
import { meshAddress, volunteersOf } from "../../tools/browser/relay-swarm.ts";
import { axeFindings } from "../support/axe.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { makeLiar } from "../support/hostile/liar.ts";
import { decodePng, TaskPage } from "../support/task-page.ts";
import { runWhole } from "../unit/tasks/run-whole.ts";

test("two lending tabs render a scene for a third; its PNG has the same pixels as from one computer", async ({ relay, openTab }) => {
  test.setTimeout(240_000);
  const lending = [await openTab(), await openTab()];
  for (const tab of lending) await tab.lend();
  await expect.poll(() => volunteersOf(relay).length).toBe(2);

  const asking = new TaskPage(await openTab());
  await asking.open();
  await expect(asking.page.getByTestId("jobs-empty")).toBeVisible();
  const job = await asking.render("hand", "small", "quick", false);
  await asking.over(job, "done");
  await expect(job).toHaveAttribute("data-peers", "2");
  await expect(job).toHaveAttribute("data-checked", await job.getAttribute("data-parts").then(String)); // both volunteers are new to this tab
  const picture = job.getByTestId("job-picture");
  await expect(picture).toHaveAttribute("data-drawn", "20"); // squares of 32 pixels in 160 by 120

  const { width, height, rgba } = await runWhole(render, sceneOf({ scene: "hand", size: "small", fineness: "quick" }));
  const saved = await decodePng(asking.page, await asking.save(job));
  expect([saved.width, saved.height]).toEqual([width, height]);
  expect(Buffer.from(saved.rgba).equals(Buffer.from(rgba))).toBe(true);

  for (const tab of lending) {
    await expect.poll(async () => Number(await tab.page.getByTestId("served-tasks").textContent())).toBeGreaterThanOrEqual(20);
    await expect(tab.page.getByTestId("served-tasks-words")).toContainText("between prompts");
  }
});

test("a tab that lies is caught, its squares are drawn again, and the page says so", async ({ relay, openTab }) => {
  test.setTimeout(240_000);
  for (let count = 1; count <= 2; count++) await (await openTab()).lend();
  const liar = await makeLiar(await openTab(), await meshAddress(relay));
  await liar.lie(true);
  await expect.poll(() => volunteersOf(relay).length).toBe(3);
  const asking = new TaskPage(await openTab());
  await asking.open();
  const job = await asking.render("hand", "small", "quick", false);
  await asking.over(job, "done");
  expect(Number(await job.getAttribute("data-wrong"))).toBeGreaterThan(0);
  await expect(job.getByTestId("job-wrong")).toContainText("no longer trusted");
  const { rgba } = await runWhole(render, sceneOf({ scene: "hand", size: "small", fineness: "quick" }));
  const saved = await decodePng(asking.page, await asking.save(job));
  expect(Buffer.from(saved.rgba).equals(Buffer.from(rgba))).toBe(true);
});

test("after a reload a picture goes on from where it was; stopping ends a job, and forgetting it leaves nothing", async ({ openTab }) => {
  test.setTimeout(240_000);
  const tab = await openTab();
  const asking = new TaskPage(tab);
  await asking.open();
  const first = await asking.render("hand", "small", "finest");
  await expect.poll(async () => Number(await first.getAttribute("data-done")), { intervals: [10] }).toBeGreaterThan(3);
  await expect(first).toHaveAttribute("data-state", "running"); // else nothing is left to go on with
  await asking.page.getByTestId("tasks-close").click();
  await asking.page.reload();
  await expect(asking.page.getByTestId("credit-starter")).toBeVisible(); // the tab joined because of the job, with the panel closed
  await asking.open();
  await asking.over(asking.jobs.first(), "done");
  await expect(asking.jobs).toHaveCount(1);
  const cached = await asking.page.getByTestId("job-progress").textContent();
  expect(Number(/(\d+) known from before/.exec(cached ?? "")?.[1])).toBeGreaterThan(2); // the last ones may not have been written
  await expect(asking.page.getByTestId("job-picture")).toHaveAttribute("data-drawn", "20");

  const second = await asking.render("room", "large", "finest");
  await expect(second).toHaveAttribute("data-state", "running");
  await second.getByTestId("job-stop").click();
  await asking.over(second, "stopped");
  await expect(second.getByTestId("job-stop")).toHaveCount(0);
  for (const left of [1, 0]) {
    await asking.jobs.first().getByTestId("job-forget").click();
    await expect(asking.jobs).toHaveCount(left);
  }
  await expect(asking.page.getByTestId("jobs-empty")).toBeVisible();
  await asking.page.reload();
  await expect(asking.page.getByTestId("jobs-empty")).toBeVisible();
});

test("each kind gives the right result to a person who is alone", async ({ openTab }) => {
  test.setTimeout(240_000);
  const asking = new TaskPage(await openTab());
  const { page } = asking;
  await asking.open();
  const result = async (kind: string, fill: () => Promise<unknown>): Promise<string> => {
    await asking.choose(kind);
    await fill();
    const job = await asking.submit();
    await asking.over(job, "done");
    return (await job.getByTestId("job-result").textContent()) ?? "";
  };
  expect(await result("sum", () => page.getByTestId("task-numbers").fill("1 2\n90071992547409930"))).toBe("90071992547409933");
  expect(await result("sort", () => page.getByTestId("task-numbers").fill("3, -1 2.5"))).toBe("-1\n2.5\n3");
  expect(await result("multiply", () => page.getByTestId("task-example").first().click())).toBe("4 5\n10 11");
  expect(await result("hash", () => page.getByTestId("task-lines").fill("abc"))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  const outputs = JSON.parse(await result("ml_inference", () => page.getByTestId("task-example").click())) as { y: { data: number[][] } }[];
  const [[first, second] = []] = outputs[0]?.y.data ?? [];
  expect(first).toBeCloseTo(0.6 * 5.1 + 0.6 * 3.5 - 0.2 * 1.4, 5);
  expect(second).toBeCloseTo(-0.4 * 5.1 - 0.4 * 3.5 + 0.9 * 1.4 + 0.1, 5);
  expect(outputs[1]?.y.data).toHaveLength(2);
});

test("programs, a function and a module, run in another tab's sandbox; if one throws, its error is shown", async ({ relay, openTab }) => {
  test.setTimeout(240_000);
  for (let count = 1; count <= 2; count++) await (await openTab()).lend();
  await expect.poll(() => volunteersOf(relay).length).toBe(2);
  const asking = new TaskPage(await openTab());
  const { page } = asking;
  await asking.open();
  await asking.choose("map");
  await page.getByTestId("task-source").fill("(x) => x * x");
  await page.getByTestId("task-inputs").fill("[3, 4]");
  const squares = await asking.submit();
  await asking.over(squares, "done");
  await expect(squares.getByTestId("job-result")).toHaveText(/9,\s+16/);
  await page.getByTestId("task-example").last().click();
  const module = await asking.submit();
  await asking.over(module, "done");
  await expect(module.getByTestId("job-result")).toContainText("MAKE LIGHT WORK");
  await page.getByTestId("task-language-js").check();
  await page.getByTestId("task-source").fill('() => { throw new Error("no such thing"); }');
  const throwing = await asking.submit();
  await asking.over(throwing, "failed");
  await expect(throwing.getByTestId("job-state")).toContainText("no such thing");
});

test("a fault is shown at its field, which has the focus", async ({ openTab }) => {
  const asking = new TaskPage(await openTab());
  const { page } = asking;
  await asking.open();
  const cases: readonly (readonly [kind: string, fill: () => Promise<unknown>, field: string, words: RegExp])[] = [
    ["sum", () => page.getByTestId("task-numbers").fill("1 two"), "numbers", /Line 1: “two”/],
    ["multiply", () => page.getByTestId("task-left").fill("1 2"), "right", /Paste a matrix/],
    ["hash", () => page.getByTestId("task-of-file").check(), "file", /Choose a file/],
    ["map", () => page.getByTestId("task-inputs").fill("[1,"), "inputs", /not JSON/],
    [
      "render",
      () =>
        page
          .getByTestId("task-scene-own")
          .check()
          .then(() => page.getByTestId("task-json").fill('{"width": 1}')),
      "json",
      /height is missing/,
    ],
  ];
  for (const [kind, fill, field, words] of cases) {
    await asking.choose(kind);
    await fill();
    await page.getByTestId("task-submit").click();
    await expect(page.getByTestId("task-wrong")).toHaveText(words);
    const input = page.getByTestId(`task-${field}`);
    await expect(input).toBeFocused();
    await expect(input).toHaveAttribute("aria-invalid", "true");
    await expect(input).toHaveAccessibleDescription(words);
  }
  expect(await asking.jobs.count()).toBe(0);
});

test("the page works by keyboard, on a phone and in both colours, and axe finds nothing", async ({ openTab }) => {
  test.setTimeout(120_000);
  const asking = new TaskPage(await openTab());
  const { page } = asking;
  await page.setViewportSize({ width: 360, height: 740 });
  const top = async (): Promise<number> => (await page.getByTestId("ask-prompt").boundingBox())?.y ?? -1;
  const before = await top();
  await page.getByTestId("tasks-open").focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("task-form").waitFor();
  await page.evaluate(() => scrollTo(0, 0));
  expect(await top()).toBe(before); // the prompt stays where it was
  await asking.choose("sum");
  await page.getByTestId("task-numbers").fill("1 2 3");
  await page.getByTestId("task-submit").focus();
  await page.keyboard.press("Enter");
  await asking.over(asking.jobs.first(), "done");
  for (const kind of ["render", "map", "sum", "sort", "multiply", "hash", "ml_inference"]) {
    await asking.choose(kind);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" }); // with reduced motion, colours change at once
      expect(await axeFindings(page, ["mh-app", "mh-tasks"])).toEqual([]);
    }
  }
});
