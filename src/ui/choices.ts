// What a person chose for this tab, remembered between visits.
import * as v from "valibot";
import type { BackendChoice } from "../node/face.ts";
import { asModelId, type ModelId } from "../shared/ids.ts";
import type { Memory } from "./memory.ts";

export interface Choices {
  readonly consented: boolean;
  /** Share of compute that may be lent, 0.1 to 1. */
  readonly share: number;
  readonly backendChoice: BackendChoice;
  /** Bytes of weights kept between visits. */
  readonly keepBytes: number;
  /** Models to ask and to lend; undefined leaves the choice to the swarm. */
  readonly askWish: ModelId | undefined;
  readonly lendWish: ModelId | undefined;
}

const Wish = v.nullable(v.pipe(v.string(), v.maxLength(128), v.transform(asModelId)));

/** What holds until a person chooses. */
export const DEFAULT_CHOICES: Choices = Object.freeze({
  consented: false,
  // All of one core's time while others ask: a tab computes on one thread, so the machine stays pleasant to use.
  share: 1,
  backendChoice: "auto",
  // Three small models, or one of 300 M parameters.
  keepBytes: 1024 ** 3,
  askWish: undefined,
  lendWish: undefined,
});

export function readChoices(memory: Memory): Choices {
  const { consented, share, backendChoice, keepBytes } = DEFAULT_CHOICES;
  return {
    consented: memory.read("consent", v.boolean(), consented),
    share: memory.read("share", v.pipe(v.number(), v.minValue(0.1), v.maxValue(1)), share),
    backendChoice: memory.read("backend", v.picklist(["auto", "wasm", "webgpu"]), backendChoice),
    keepBytes: memory.read("keepBytes", v.pipe(v.number(), v.integer(), v.minValue(0)), keepBytes),
    askWish: memory.read("askModel", Wish, null) ?? undefined,
    lendWish: memory.read("lendModel", Wish, null) ?? undefined,
  };
}
