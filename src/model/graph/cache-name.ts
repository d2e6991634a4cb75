// Reads the names of caches: which input or output of a graph belongs to which layer.

/** Key, value, or both in one tensor (`[2, batch, heads, positions, headSize]`). */
export type CacheKind = "key" | "value" | "pair";

export interface CacheName {
  readonly layer: number;
  readonly kind: CacheKind;
}

// past_key_values.3.key (genai, optimum), past_key_3, past_3.key, past_key_values_3_key,
// past_3 (one tensor for both); the same with present.
const CACHE_NAME =
  /^(?:past_key_values|past|present_key_values|present)[._](?:(?<kindFirst>key|value)[._])?(?<layer>\d+)(?:[._](?<kindLast>key|value))?$/;

/** Layer and kind of a cache input (`past`) or output (`present`); undefined for any other name. */
export function readCacheName(name: string, prefix: "past" | "present"): CacheName | undefined {
  const groups = name.startsWith(prefix) ? CACHE_NAME.exec(name)?.groups : undefined;
  if (groups === undefined) return undefined;
  // The pattern matches these two words only.
  const kind = (groups["kindFirst"] ?? groups["kindLast"]) as "key" | "value" | undefined;
  return { layer: Number(groups["layer"]), kind: kind ?? "pair" };
}
