// Stop strings, the context policy and chat templates: nothing of a stop is shown, no system prompt is lost.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../../../src/model/text/chat-message.ts";
import { readChatTemplate, readSpecialTokens } from "../../../../src/model/text/chat-template.ts";
import { fitContext } from "../../../../src/model/text/context-policy.ts";
import { StopStrings } from "../../../../src/model/text/stop-strings.ts";

describe("stop strings", () => {
  const run = (pieces: readonly string[], stops: readonly string[]): { shown: string; stopped: boolean } => {
    const watch = new StopStrings(stops);
    let shown = "";
    for (const piece of pieces) {
      const step = watch.push(piece);
      shown += step.text;
      if (step.stopped) return { shown, stopped: true };
    }
    return { shown: shown + watch.flush(), stopped: false };
  };
  const small = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 12 });

  test("cut the text at the first of them, however it is split", () => {
    fc.assert(
      fc.property(fc.array(small, { maxLength: 10 }), fc.array(small, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join("");
        const found = stops
          .filter((stop) => stop !== "")
          .map((stop) => whole.indexOf(stop))
          .filter((at) => at >= 0);
        const { shown, stopped } = run(pieces, stops);
        expect(stopped).toBe(found.length > 0);
        // Of two stops that overlap, the one that is complete first ends the answer.
        if (stopped) expect(whole.startsWith(shown) && stops.every((stop) => stop === "" || !shown.includes(stop))).toBe(true);
        else expect(shown).toBe(whole);
      }),
    );
  });

  test("hold back no more than may still become one", () => {
    const watch = new StopStrings(["<end>"]);
    expect(watch.push("a <")).toEqual({ text: "a ", stopped: false });
    expect(watch.push("em")).toEqual({ text: "<em", stopped: false });
    expect(watch.push("<en")).toEqual({ text: "", stopped: false });
    expect(watch.push("d> more")).toEqual({ text: "", stopped: true });
  });
});

describe("the context policy", () => {
  const count = (messages: readonly ChatMessage[]): number => messages.reduce((sum, { content }) => sum + content.length, 0);
  const turns = (lengths: readonly number[]): ChatMessage[] =>
    lengths.map((length, index) => ({ role: index % 2 === 0 ? "user" : "assistant", content: "x".repeat(length) }));
  const system: ChatMessage = { role: "system", content: "be kind" };

  test("keeps the system prompt, the last question, and the newest turns that fit", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 15 }), fc.boolean(), (lengths, hasSystem) => {
        const odd = lengths.length % 2 === 0 ? lengths.slice(1) : lengths;
        const messages = [...(hasSystem ? [system] : []), ...turns(odd)];
        const fitted = fitContext({ messages, count, contextLength: 100, maxTokens: 20, policy: "drop-oldest" });
        expect(fitted.messages.at(-1)).toBe(messages.at(-1));
        expect(fitted.messages[0]?.role).toBe(hasSystem ? "system" : "user");
        expect(fitted.messages[hasSystem ? 1 : 0]?.role).toBe("user");
        expect(fitted.dropped).toBe(messages.length - fitted.messages.length);
        expect(count(fitted.messages)).toBeLessThanOrEqual(80);
        if (count(messages) <= 80) expect(fitted.messages).toBe(messages);
      }),
    );
  });

  test("refuses where it is told to, and where nothing is left to drop", () => {
    const options = { count, contextLength: 100, maxTokens: 20 };
    expect(() => fitContext({ ...options, messages: turns([50, 50, 10]), policy: "refuse" })).toThrow(/has 110 tokens/);
    expect(() => fitContext({ ...options, messages: turns([120]), policy: "drop-oldest" })).toThrow(/at least 21 tokens/);
    expect(fitContext({ ...options, messages: turns([95]), policy: "drop-oldest" })).toMatchObject({ dropped: 0 });
  });
});

describe("a chat template", () => {
  const config = new TextEncoder().encode('{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "model_max_length": 5}');

  test("has the special tokens, the generation prompt and today's date", () => {
    const { render } = readChatTemplate(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] | trim }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}{{ strftime_now('%Y') }}",
      readSpecialTokens(config),
    );
    expect(render([{ role: "user", content: " hi " }])).toBe(`<s>[user]hi</s>[assistant]${new Date().getFullYear()}`);
  });

  test("that knows no system prompt gets it in front of the first question", () => {
    const { render } = readChatTemplate(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}{% endfor %}",
      {},
    );
    expect(
      render([
        { role: "system", content: "Be kind." },
        { role: "user", content: "Hi" },
      ]),
    ).toBe("Be kind.\n\nHi");
  });

  test("that refuses says why; one that is none is corrupt", () => {
    const { render } = readChatTemplate("{{ raise_exception('roles must alternate') }}", {});
    expect(() => render([{ role: "user", content: "a" }])).toThrow(expect.objectContaining({ code: "BAD_INPUT" }) as Error);
    expect(() => readChatTemplate("{% for x in %}", {})).toThrow(expect.objectContaining({ code: "MODEL_CORRUPT" }) as Error);
  });
});
