// The bundled tokenizer: ids with BOS, texts that survive, and streams that never show half a character.
import { readFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { readTokenizer, type Tokenizer } from "../../../../src/model/text/tokenizer.ts";
import { errorCode } from "../../../../src/shared/errors.ts";
import { BUNDLED, MISSING, publicModel } from "../test-models.ts";

let tokenizer: Tokenizer;
const open = async (folder: string): Promise<Tokenizer> =>
  readTokenizer(await readFile(path.join(folder, "tokenizer.json")), await readFile(path.join(folder, "tokenizer_config.json")));
beforeAll(async () => {
  tokenizer = await open(BUNDLED);
});

/** Pushes all tokens; returns the text that was shown at each. */
function stream(from: Tokenizer, tokens: readonly number[]): { readonly shown: string[]; readonly rest: string } {
  const decoder = from.decoder();
  return { shown: tokens.map((token) => decoder.push(token)), rest: decoder.flush() };
}

/** Text of any script, without the replacement character itself. */
const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter((value) => !value.includes("\uFFFD"));

describe("encode", () => {
  test("starts with the BOS token", () => {
    expect(tokenizer.encode("Once upon a time")[0]).toBe(0);
    expect(tokenizer.encode("Once upon a time").length).toBeGreaterThan(2);
    expect(tokenizer.encode("")).toEqual([0]);
  });

  test("loses nothing", () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(tokenizer.decode(tokenizer.encode(value))).toBe(value);
      }),
    );
  });
});

describe("decoder", () => {
  test.each(["Once upon a time, there was a little girl.", "naïve café — “quotes”", "日本語のお話", "👩‍👩‍👧 and 🐉!", "a\n\n  b\tc"])(
    "shows all of %j, and only whole characters",
    (value) => {
      const { shown, rest } = stream(tokenizer, tokenizer.encode(value));
      expect(shown.join("") + rest).toBe(value);
      for (const piece of shown) expect(piece).not.toContain("\uFFFD");
      expect(rest).toBe("");
    },
  );

  test("gives the text of any script piece by piece", () => {
    fc.assert(
      fc.property(text, (value) => {
        const { shown, rest } = stream(tokenizer, tokenizer.encode(value));
        expect(shown.join("") + rest).toBe(value);
        for (const piece of shown) expect(piece.isWellFormed() && !piece.includes("\uFFFD")).toBe(true);
      }),
    );
  });

  test("holds back half a character, and gives it out at the end", () => {
    const dragon = tokenizer.encode("🐉").slice(1);
    expect(dragon.length).toBeGreaterThan(1);
    const { shown, rest } = stream(tokenizer, dragon.slice(0, -1));
    expect(shown.join("")).toBe("");
    expect(rest).toContain("\uFFFD");
  });

  test("shows no special tokens, and goes on after bytes that are no text", () => {
    expect(stream(tokenizer, [0, 0]).shown.join("")).toBe("");
    const broken = Array.from({ length: 30 }, () => tokenizer.encode("🐉")[1] ?? 0);
    const after = tokenizer.encode("end").slice(1);
    const { shown, rest } = stream(tokenizer, [...broken, ...after]);
    expect(`${shown.join("")}${rest}`.endsWith("end")).toBe(true);
    expect(shown.slice(0, 8).join("")).not.toBe("");
  });

  test("accepts any tokens", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1999), { maxLength: 30 }), (tokens) => {
        const { shown, rest } = stream(tokenizer, tokens);
        expect((shown.join("") + rest).isWellFormed()).toBe(true);
      }),
    );
  });

  test("keeps the spaces of tokenizers that strip the first one", async ({ skip }) => {
    const llama = await open(publicModel("tiny-random-llama-fp16") ?? skip(MISSING));
    const value = "The quick brown fox — jumps over 🐉.";
    const { shown, rest } = stream(llama, llama.encode(value));
    expect(shown.join("") + rest).toBe(llama.decode(llama.encode(value)));
    expect((shown.join("") + rest).trim()).toBe(value);
  });
});

test.each([
  ["no JSON", "{"],
  ["a number", "3"],
  ["something else", '{"hello": 1}'],
])("%s is no tokenizer", (_, json) => {
  let code: string | undefined;
  try {
    readTokenizer(new TextEncoder().encode(json), undefined);
  } catch (error) {
    code = errorCode(error);
  }
  expect(code).toBe("MODEL_CORRUPT");
});
