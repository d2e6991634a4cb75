// Kind `sort`: a sample sort. Splitters divide the items into buckets, peers sort the runs of each bucket, and the
// requester merges them.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { checkFloats, cutByBytes, readFloats, writeFloats } from "./number-bytes.ts";
import { badInput, type Bytes, readParams, type KindCode, type TaskPart } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Items of a run: some ten milliseconds of sorting. */
  run: 65_536,
  /** Bytes of a run. */
  runBytes: 512 * 1024,
  /** Items of the sample for each bucket: with so many, a bucket is seldom twice as large as it should be. */
  oversample: 16,
  /** UTF-16 code units of one string. */
  characters: 65_536,
});

export type SortData = { readonly numbers: ArrayLike<number> } | { readonly strings: readonly string[] };
export type Sorted = Float64Array | readonly string[];

const Params = v.strictObject({ items: v.picklist(["numbers", "strings"]) });
const Strings = v.array(v.pipe(v.string(), v.maxLength(DEFAULTS.characters)));

/** -0 before 0, NaN after everything: the order of `Float64Array.prototype.sort`. */
const compareNumbers = (a: number, b: number): number => {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b && a !== 0) return 0;
  return rank(a) - rank(b);
};
const rank = (number: number): number => (Number.isNaN(number) ? 2 : Object.is(number, -0) ? 0 : 1);
/** By UTF-16 code units, as JavaScript sorts: no language, no locale. */
const compareStrings = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Value: the items, ascending. */
export const sort: KindCode<SortData, Sorted> = {
  split(data) {
    const parts: TaskPart[] = [];
    if ("numbers" in data) {
      for (const bucket of runsOf([...checkFloats(data.numbers)], compareNumbers, () => 8))
        for (const run of bucket) parts.push({ params: { items: "numbers" }, input: writeFloats(run) });
      return parts;
    }
    for (const item of data.strings) {
      if (typeof item !== "string") throw badInput(`strings are sorted, not a ${typeof item}`);
      if (item.length > DEFAULTS.characters) throw badInput(`a string has at most ${DEFAULTS.characters} characters`);
      if (!item.isWellFormed()) throw badInput("a string has a lone surrogate");
    }
    for (const bucket of runsOf(data.strings, compareStrings, sizeOf))
      for (const run of bucket) parts.push({ params: { items: "strings" }, input: writeStrings(run) });
    return parts;
  },

  async run({ params, input }, { signal, progress }) {
    const { items } = readParams(Params, params);
    signal.throwIfAborted();
    progress();
    return items === "numbers" ? writeFloats(readFloats(input).sort()) : writeStrings(readStrings(input).toSorted(compareStrings));
  },

  join(data, outputs) {
    if ("numbers" in data) {
      const buckets = runsOf([...Float64Array.from(data.numbers)], compareNumbers, () => 8);
      return Float64Array.from(gather(buckets, outputs, (bytes) => [...readFloats(bytes)], compareNumbers));
    }
    return gather(runsOf(data.strings, compareStrings, sizeOf), outputs, readStrings, compareStrings);
  },

  weigh({ params, input }) {
    const { items } = readParams(Params, params);
    const count = items === "numbers" ? input.byteLength / 8 : readStrings(input).length;
    return Math.max(1, Math.ceil(count / 1000));
  },
};

/** An upper bound of a string's bytes in CBOR. */
const sizeOf = (item: string): number => 3 * item.length + 5;
const writeStrings = (strings: readonly string[]): Bytes => encode(strings) as Bytes; // cborg allocates plain buffers

function readStrings(bytes: Bytes): string[] {
  let value: unknown;
  try {
    value = decode(bytes);
  } catch {
    throw badInput("not CBOR"); // what the decoder says does not help a person
  }
  return readParams(Strings, value);
}

/** The items by bucket, each bucket in runs that fit one task. */
function runsOf<Item>(items: readonly Item[], compare: (a: Item, b: Item) => number, size: (item: Item) => number): Item[][][] {
  const bytes = items.reduce((sum, item) => sum + size(item), 0);
  const count = Math.max(1, Math.ceil(Math.max(items.length / DEFAULTS.run, bytes / DEFAULTS.runBytes)));
  const buckets: Item[][] = Array.from({ length: count }, () => []);
  const splitters = splittersOf(items, count, compare);
  for (const item of items) buckets[bucketOf(item, splitters, compare)]?.push(item);
  return buckets.map((bucket) => [...cutByBytes(bucket, DEFAULTS.run, DEFAULTS.runBytes, size)]);
}

/** `count - 1` items of an even sample. Nothing is drawn at random, so that splitting twice gives the same parts. */
function splittersOf<Item>(items: readonly Item[], count: number, compare: (a: Item, b: Item) => number): Item[] {
  const wanted = Math.min(items.length, count * DEFAULTS.oversample);
  const sample = Array.from({ length: wanted }, (_, at) => items[Math.floor((at * items.length) / wanted)] as Item).sort(compare);
  return Array.from({ length: count - 1 }, (_, at) => sample[Math.floor(((at + 1) * wanted) / count)] as Item);
}

/** The number of splitters that are not above the item. */
function bucketOf<Item>(item: Item, splitters: readonly Item[], compare: (a: Item, b: Item) => number): number {
  let low = 0;
  let high = splitters.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(splitters[middle] as Item, item) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function gather<Item>(
  buckets: readonly Item[][][],
  outputs: readonly Bytes[],
  read: (bytes: Bytes) => Item[],
  compare: (a: Item, b: Item) => number,
): Item[] {
  let at = 0;
  const out: Item[] = [];
  for (const bucket of buckets) {
    const runs = bucket.map((run) => {
      const output = outputs[at++];
      const sorted = output === undefined ? [] : read(output);
      if (sorted.length !== run.length) throw badInput("a run of another length");
      return sorted;
    });
    for (const item of merge(runs, compare)) out.push(item);
  }
  if (at !== outputs.length) throw badInput("more outputs than runs");
  return out;
}

/** Merges by pairs until one run is left. */
function merge<Item>(runs: readonly Item[][], compare: (a: Item, b: Item) => number): Item[] {
  if (runs.length <= 1) return runs[0] ?? [];
  const half = runs.length >> 1;
  const a = merge(runs.slice(0, half), compare);
  const b = merge(runs.slice(half), compare);
  const out: Item[] = [];
  for (let i = 0, k = 0; i < a.length || k < b.length;) {
    const takeLeft = k >= b.length || (i < a.length && compare(a[i] as Item, b[k] as Item) <= 0);
    out.push((takeLeft ? a[i++] : b[k++]) as Item);
  }
  return out;
}
