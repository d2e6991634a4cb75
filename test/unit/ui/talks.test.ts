// Conversations: what is asked, kept, renamed, removed, and found again after a reload.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AskEvent, Node, Prompt } from "../../../src/node/face.ts";
import { Asker } from "../../../src/ui/ask/asker.ts";
import { backToQuestion, beginConversation, messagesOf, withAnswer, withQuestion, withTitle } from "../../../src/ui/ask/conversation.ts";
import { type ConversationStore, memoryConversationStore } from "../../../src/ui/ask/conversation-store.ts";
import { LocalStore } from "../../../src/ui/local-store.ts";
import { Talks } from "../../../src/ui/ask/talks.ts";

const stats = { promptTokens: 1, newTokens: 1, timeToFirstTokenMs: 1, tokensPerSecond: 1, seed: 1 };
const token = (text: string): AskEvent => ({ kind: "token", token: 1, text, stats, hops: [] });
const done: AskEvent = { kind: "done", reason: "stop-token", text: "", stats, hops: [] };

function start(options: { store?: ConversationStore; localStore?: LocalStore; answer?: (prompt: Prompt) => readonly AskEvent[] } = {}) {
  const asked: Prompt[] = [];
  const { store = memoryConversationStore(), answer = () => [token("Yes"), token("."), done] } = options;
  const texts = new Map<string, string>();
  const localStore =
    options.localStore ??
    new LocalStore(() => ({
      getItem: (key) => texts.get(key) ?? null,
      setItem: (key, text) => void texts.set(key, text),
      removeItem: (key) => void texts.delete(key),
    }));
  const node: Pick<Node, "generate"> = {
    async *generate(prompt) {
      asked.push(prompt);
      yield* answer(prompt);
    },
  };
  const asker = new Asker(async () => node as Node); // only `generate` is called here
  let time = 0;
  let ids = 0;
  const talks = new Talks({ openStore: async () => store, asker, localStore, now: () => ++time, newId: () => `talk-${++ids}` });
  return { talks, asked, store, localStore, asker };
}

describe("a conversation", () => {
  it("alternates questions and answers, whatever is asked, answered or given up", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("ask" as const), text: fc.string({ minLength: 1 }) }),
      fc.record({ do: fc.constant("answer" as const), text: fc.string() }),
      fc.record({ do: fc.constant("back" as const), text: fc.constant("") }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let talk = beginConversation("1", "Be kind.", 0);
        for (const { do: what, text } of steps) {
          if (what === "ask") talk = withQuestion(talk, text, 1);
          else if (what === "answer") talk = withAnswer(talk, text, "m", 1);
          else talk = backToQuestion(talk) ?? talk;
        }
        const messages = messagesOf(talk);
        expect(messages[0]).toEqual({ role: "system", content: "Be kind." });
        messages.slice(1).forEach((message, index) => expect(message.role).toBe(index % 2 === 0 ? "user" : "assistant"));
      }),
    );
  });
  it("is named by its first question until a person names it", () => {
    const talk = withQuestion(beginConversation("1", "", 0), "What is the   capital of the country with the longest name of all?", 1);
    expect(talk.title).toBe("What is the capital of the country with the…");
    expect(withTitle(withQuestion(talk, "And now?", 2), " Capitals ").title).toBe("Capitals");
    expect(messagesOf(talk)).toHaveLength(1);
  });
});

describe("talks", () => {
  it("send the whole conversation, keep it, and find it again after a reload", async () => {
    const first = start();
    await first.talks.load();
    first.talks.setSystem("Be kind.");
    await first.talks.ask("One?", {});
    await first.talks.ask("Two?", {});
    expect(first.asked[1]).toEqual([
      { role: "system", content: "Be kind." },
      { role: "user", content: "One?" },
      { role: "assistant", content: "Yes." },
      { role: "user", content: "Two?" },
    ]);
    const again = start({ store: first.store, localStore: first.localStore });
    await again.talks.load();
    expect(again.talks.current?.turns.map((turn) => turn.content)).toEqual(["One?", "Yes.", "Two?", "Yes."]);
    expect(again.talks.isLive).toBe(false);
    again.talks.rename("talk-1", "Numbers");
    await again.talks.again({});
    expect(again.talks.all.map((talk) => talk.title)).toEqual(["Numbers"]);
    expect(again.asked[0]).toHaveLength(4);
  });

  it("begin anew, go back, and are removed", async () => {
    const { talks, store } = start();
    await talks.load();
    await talks.ask("One?", {});
    talks.open(undefined);
    expect(talks.current).toBeUndefined();
    await talks.ask("Other?", {});
    expect(talks.all.map((talk) => talk.title)).toEqual(["Other?", "One?"]);
    talks.open("talk-1");
    expect(talks.current?.title).toBe("One?");
    await talks.remove("talk-1");
    expect(talks.current).toBeUndefined();
    expect((await store.all()).map((talk) => talk.id)).toEqual(["talk-2"]);
  });

  it("keep a question whose answer failed, and say when nothing can be kept", async () => {
    const broken: ConversationStore = { ...memoryConversationStore(), put: () => Promise.reject(new Error("quota")) };
    const { talks, asker } = start({
      store: broken,
      answer: () => {
        throw new Error("no");
      },
    });
    await talks.load();
    expect(talks.notice).toMatch(/blocks storage/);
    await talks.ask("One?", {});
    expect(asker.state.status).toBe("failed");
    expect(talks.current?.turns).toEqual([{ role: "user", content: "One?" }]);
    expect(talks.notice).toMatch(/not kept/);
  });
});
