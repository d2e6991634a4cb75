// The context policy: the system prompt and the last question always stay.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../../../src/model/text/chat-message.ts";
import { fitContext } from "../../../../src/model/text/context-policy.ts";

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

  test("refuses if that is the policy, and if nothing is left to drop", () => {
    const options = { count, contextLength: 100, maxTokens: 20 };
    expect(() => fitContext({ ...options, messages: turns([50, 50, 10]), policy: "refuse" })).toThrow(/has 110 tokens/);
    expect(() => fitContext({ ...options, messages: turns([120]), policy: "drop-oldest" })).toThrow(/at least 21 tokens/);
    expect(fitContext({ ...options, messages: turns([95]), policy: "drop-oldest" })).toMatchObject({ dropped: 0 });
  });
});
