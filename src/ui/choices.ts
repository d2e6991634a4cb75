// What a person has chosen for this tab, remembered between visits.
import * as v from "valibot";
import type { BackendChoice } from "../node/face.ts";
import { DEFAULT_KEEP_BYTES } from "../node/state.ts";
import { asModelId, type ModelId } from "../shared/ids.ts";
import type { LocalStore } from "./local-store.ts";

export interface Choices {
  readonly consented: boolean;
  /** Share of this tab's compute time that may be lent, 0.1 to 1. */
  readonly share: number;
  readonly backendChoice: BackendChoice;
  /** Bytes of weights kept between visits. */
  readonly keepBytes: number;
  /** Models to ask and to lend; undefined leaves the choice to the swarm. */
  readonly askWish: ModelId | undefined;
  readonly lendWish: ModelId | undefined;
}

const Wish = v.nullable(v.pipe(v.string(), v.maxLength(128), v.transform(asModelId)));

/** The choices of a person who has made none. */
export const DEFAULT_CHOICES: Choices = Object.freeze({
  consented: false,
  // All of one core's time when others ask: a tab computes on one thread, so the machine stays pleasant to use.
  share: 1,
  backendChoice: "auto",
  keepBytes: DEFAULT_KEEP_BYTES,
  askWish: undefined,
  lendWish: undefined,
});

export function readChoices(localStore: LocalStore): Choices {
  const { consented, share, backendChoice, keepBytes } = DEFAULT_CHOICES;
  return {
    consented: localStore.read("consent", v.boolean(), consented),
    share: localStore.read("share", v.pipe(v.number(), v.minValue(0.1), v.maxValue(1)), share),
    backendChoice: localStore.read("backend", v.picklist(["auto", "wasm", "webgpu"]), backendChoice),
    keepBytes: localStore.read("keepBytes", v.pipe(v.number(), v.integer(), v.minValue(0)), keepBytes),
    askWish: localStore.read("askModel", Wish, null) ?? undefined,
    lendWish: localStore.read("lendModel", Wish, null) ?? undefined,
  };
}
