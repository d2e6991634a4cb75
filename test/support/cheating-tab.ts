// A tab that cheats: the real page and the real worker, but the halves of each of its weights change places before they are built
// into a session. It announces, serves, claims and signs like any other.
import type { BrowserContext } from "@playwright/test";

/** Runs in the worker before its own code, so that it sees a span's weights first. Plain text: it has no imports. */
function swapHalves(scope: typeof globalThis): void {
  scope.addEventListener("message", ({ data: message }: MessageEvent<unknown>) => {
    const call = message as { readonly path?: readonly string[]; readonly argumentList?: readonly { readonly value?: unknown }[] };
    if (call.path?.[0] !== "load") return;
    const source = call.argumentList?.[0]?.value as { readonly parts: readonly { readonly externalData: readonly { readonly data: Uint8Array }[] }[] };
    for (const { data } of source.parts.flatMap(({ externalData }) => externalData)) {
      const half = 4 * Math.floor(data.byteLength / 8);
      if (half < 2048) continue;
      const first = data.slice(0, half);
      data.copyWithin(0, half, 2 * half);
      data.set(first, half);
    }
  });
}

/** Makes every tab of `context` a cheat. Call it before anything is loaded. */
export async function makeCheat(context: BrowserContext): Promise<void> {
  await context.route("**/assets/span-worker-*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${swapHalves.toString()})(self);\n${await response.text()}` });
  });
}
