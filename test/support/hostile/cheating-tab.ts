// A tab that cheats: the real page and the real worker, but the two halves of each tensor of weights change places
// before they are built into a session. The tab also announces that it is the fastest, so that requesters choose it. It
// serves, claims and signs like any other.
import type { BrowserContext } from "@playwright/test";

/** The part of a worker's global scope that is used. */
interface WorkerScope extends EventTarget {
  postMessage(message: unknown, ...rest: readonly unknown[]): void;
}

/**
 * Runs in the worker before its own code, so that it sees a span's weights first. It is sent as text, so it has no
 * imports.
 */
function cheat(scope: WorkerScope): void {
  const post = scope.postMessage.bind(scope);
  scope.postMessage = (message, ...rest) => {
    const outcome = (message as { readonly value?: { readonly value?: unknown } } | undefined)?.value?.value;
    if (typeof outcome === "object" && outcome !== null && "layerMs" in outcome) outcome.layerMs = 0.001;
    post(message, ...rest);
  };
  scope.addEventListener("message", (event) => {
    const call = (event as MessageEvent<unknown>).data as {
      readonly path?: readonly string[];
      readonly argumentList?: readonly { readonly value?: unknown }[];
    };
    if (call.path?.[0] !== "load") return;
    const source = call.argumentList?.[0]?.value as {
      readonly parts: readonly { readonly externalData: readonly { readonly data: Uint8Array }[] }[];
    };
    for (const { data } of source.parts.flatMap(({ externalData }) => externalData)) {
      const half = 4 * Math.floor(data.byteLength / 8);
      if (half < 2048) continue;
      const first = data.slice(0, half);
      data.copyWithin(0, half, 2 * half);
      data.set(first, half);
    }
  });
}

/** Makes every tab of `context` cheat. To be called before anything is loaded. */
export async function makeCheat(context: BrowserContext): Promise<void> {
  await context.route("**/assets/span-worker-*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${cheat.toString()})(self);\n${await response.text()}` });
  });
}
