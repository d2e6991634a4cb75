// The copying model of the benches: it repeats a text that it has seen, and does not repeat itself otherwise.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readTokenizer, type Tokenizer } from "../../../src/model/text/tokenizer.ts";
import { ensureWideModel } from "../../../tools/bench/models/wide-model.ts";
import { ReferenceSession } from "../../../tools/model/reference-session.ts";

const SHAPE = Object.freeze({ layers: 3, width: 640, heads: 2, feedForward: 32, vocabulary: 4000 });
let folder: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  folder = await ensureWideModel({
    ...SHAPE,
    copies: true,
    folder: path.join(await mkdtemp(path.join(tmpdir(), "manyhands-copying-")), "model"),
  });
  tokenizer = readTokenizer(
    await readFile(path.join(folder, "tokenizer.json")),
    await readFile(path.join(folder, "tokenizer_config.json")),
  );
});
afterAll(() => rm(path.dirname(folder), { recursive: true, force: true }));

async function answer(prompt: string, count: number): Promise<readonly number[]> {
  const session = await ReferenceSession.open(folder);
  let { best } = await session.step(tokenizer.encode(prompt));
  const tokens = [best];
  while (tokens.length < count) {
    ({ best } = await session.step([best]));
    tokens.push(best);
  }
  return tokens;
}

it("continues with the words that followed its last words before", async () => {
  const text = "The old boat lay in the harbour. A small dog sat on the pier and looked at it";
  const tokens = await answer(`${text}. Once more: The old boat`, tokenizer.encode(text, { bare: true }).length - 3);
  expect(text).toContain(`The old boat${tokenizer.decode(tokens.slice(0, 12))}`);
});

it("repeats nothing if its last words are new", async () => {
  const prompt = "Once upon a time";
  const tokens = await answer(prompt, 40);
  expect(new Set([...tokenizer.encode(prompt), ...tokens]).size).toBe(tokenizer.encode(prompt).length + 40);
});

it("says which shapes it needs", async () => {
  await expect(ensureWideModel({ layers: 1, copies: true, folder: path.join(path.dirname(folder), "other") })).rejects.toThrow(
    "at least 2 layers",
  );
});
