// Conversations: they are asked, kept, renamed, removed, and found again after a reload.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AskEvent, Node, Prompt } from "../../../src/node/face.ts";
import { AskController } from "../../../src/ui/ask/ask-controller.ts";
import { backToQuestion, beginConversation, messagesOf, withAnswer, withQuestion, withTitle } from "../../../src/ui/ask/conversation.ts";
import { type ConversationStore, memoryConversationStore } from "../../../src/ui/ask/conversation-store.ts";
import { LocalStore } from "../../../src/ui/local-store.ts";
import { Conversations } from "../../../src/ui/ask/conversations.ts";

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
  const askController = new AskController(async () => node as Node); // only `generate` is called here
  let time = 0;
  let ids = 0;
  const conversations = new Conversations({
    openStore: async () => store,
    askController,
    localStore,
    now: () => ++time,
    newId: () => `conversation-${++ids}`,
  });
  return { conversations, asked, store, localStore, askController };
}

describe("a conversation", () => {
  it("alternates questions and answers, whatever is asked, answered or abandoned", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("ask" as const), text: fc.string({ minLength: 1 }) }),
      fc.record({ do: fc.constant("answer" as const), text: fc.string() }),
      fc.record({ do: fc.constant("back" as const), text: fc.constant("") }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let conversation = beginConversation("1", "Be kind.", 0);
        for (const { do: what, text } of steps) {
          if (what === "ask") conversation = withQuestion(conversation, text, 1);
          else if (what === "answer") conversation = withAnswer(conversation, text, "m", 1);
          else conversation = backToQuestion(conversation) ?? conversation;
        }
        const messages = messagesOf(conversation);
        expect(messages[0]).toEqual({ role: "system", content: "Be kind." });
        messages.slice(1).forEach((message, index) => expect(message.role).toBe(index % 2 === 0 ? "user" : "assistant"));
      }),
    );
  });
  it("is named after its first question until a person names it", () => {
    const conversation = withQuestion(
      beginConversation("1", "", 0),
      "What is the   capital of the country with the longest name of all?",
      1,
    );
    expect(conversation.title).toBe("What is the capital of the country with the…");
    expect(withTitle(withQuestion(conversation, "And now?", 2), " Capitals ").title).toBe("Capitals");
    expect(messagesOf(conversation)).toHaveLength(1);
  });
});

describe("conversations", () => {
  it("are sent as a whole, kept, and found again after a reload", async () => {
    const first = start();
    await first.conversations.load();
    first.conversations.setSystem("Be kind.");
    await first.conversations.ask("One?", {});
    await first.conversations.ask("Two?", {});
    expect(first.asked[1]).toEqual([
      { role: "system", content: "Be kind." },
      { role: "user", content: "One?" },
      { role: "assistant", content: "Yes." },
      { role: "user", content: "Two?" },
    ]);
    const again = start({ store: first.store, localStore: first.localStore });
    await again.conversations.load();
    expect(again.conversations.current?.turns.map((turn) => turn.content)).toEqual(["One?", "Yes.", "Two?", "Yes."]);
    expect(again.conversations.isLive).toBe(false);
    again.conversations.rename("conversation-1", "Numbers");
    await again.conversations.again({});
    expect(again.conversations.all.map((conversation) => conversation.title)).toEqual(["Numbers"]);
    expect(again.asked[0]).toHaveLength(4);
  });

  it("are begun anew, opened again, and removed", async () => {
    const { conversations, store } = start();
    await conversations.load();
    await conversations.ask("One?", {});
    conversations.open(undefined);
    expect(conversations.current).toBeUndefined();
    await conversations.ask("Other?", {});
    expect(conversations.all.map((conversation) => conversation.title)).toEqual(["Other?", "One?"]);
    conversations.open("conversation-1");
    expect(conversations.current?.title).toBe("One?");
    await conversations.remove("conversation-1");
    expect(conversations.current).toBeUndefined();
    expect((await store.all()).map((conversation) => conversation.id)).toEqual(["conversation-2"]);
  });

  it("keep a question whose answer failed, and say if nothing can be stored", async () => {
    const broken: ConversationStore = { ...memoryConversationStore(), put: () => Promise.reject(new Error("quota")) };
    const { conversations, askController } = start({
      store: broken,
      answer: () => {
        throw new Error("no");
      },
    });
    await conversations.load();
    expect(conversations.notice).toMatch(/blocks storage/);
    await conversations.ask("One?", {});
    expect(askController.state.status).toBe("failed");
    expect(conversations.current?.turns).toEqual([{ role: "user", content: "One?" }]);
    expect(conversations.notice).toMatch(/not kept/);
  });
});
