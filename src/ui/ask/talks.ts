// The person's conversations: the list, the one that is open, and the answer that is being written into it.
import * as v from "valibot";
import type { AskOptions } from "../../node/face.ts";
import { isRunning } from "./ask-state.ts";
import type { Asker } from "./asker.ts";
import { backToQuestion, beginConversation, type Conversation, messagesOf, withAnswer, withQuestion, withTitle } from "./conversation.ts";
import type { ConversationStore } from "./conversation-store.ts";
import type { LocalStore } from "../local-store.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two savings of an answer that grows: a tab that is closed loses no more than that. */
  saveMs: 1500,
});

export interface TalksDeps {
  readonly openStore: () => Promise<ConversationStore>;
  readonly asker: Asker;
  readonly localStore: LocalStore;
  readonly now: () => number;
  readonly newId: () => string;
}

export class Talks {
  readonly #deps: TalksDeps;
  readonly #listeners = new Set<() => void>();
  #store: Promise<ConversationStore> | undefined;
  #all: readonly Conversation[] = [];
  #currentId: string | undefined;
  /** The conversation that the asker's answer belongs to. */
  #answering: string | undefined;
  #savedAt = 0;
  #notice = "";

  constructor(deps: TalksDeps) {
    this.#deps = deps;
    deps.asker.subscribe(() => this.#follow());
  }

  /** Newest first. */
  get all(): readonly Conversation[] {
    return this.#all;
  }

  get current(): Conversation | undefined {
    return this.#all.find((talk) => talk.id === this.#currentId);
  }

  /** Whether the asker's answer belongs to the conversation that is open. */
  get isLive(): boolean {
    return this.#answering !== undefined && this.#answering === this.#currentId;
  }

  /** What a person should know about keeping; empty while all is well. */
  get notice(): string {
    return this.#notice;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads what is kept and opens the conversation that was open last. Once. */
  async load(): Promise<void> {
    if (this.#store !== undefined) return;
    const store = await this.#open();
    const kept = await store.all().catch(() => []);
    const fresh = new Set(this.#all.map((talk) => talk.id));
    this.#all = [...this.#all, ...kept.filter((talk) => !fresh.has(talk.id))].toSorted((a, b) => b.updatedAt - a.updatedAt);
    this.#currentId ??= this.#deps.localStore.read("conversation", v.nullable(v.string()), null) ?? undefined;
    if (!store.isKept) this.#notice = "This browser blocks storage, so conversations are gone when the page closes.";
    this.#changed();
  }

  /** Opens another conversation, or with undefined a new one. An answer that runs is stopped; what was answered is kept. */
  open(id: string | undefined): void {
    if (id === this.#currentId) return;
    this.#deps.asker.clear();
    this.#answering = undefined;
    this.#currentId = id;
    this.#deps.localStore.write("conversation", id ?? null);
    this.#changed();
  }

  rename(id: string, title: string): void {
    const talk = this.#all.find((each) => each.id === id);
    if (talk && title.trim() !== "") this.#put(withTitle(talk, title));
  }

  /** Settles when it is gone from the store too. */
  async remove(id: string): Promise<void> {
    if (id === this.#currentId) this.open(undefined);
    this.#all = this.#all.filter((talk) => talk.id !== id);
    this.#changed();
    await this.#write((store) => store.remove(id));
  }

  setSystem(system: string): void {
    this.#deps.localStore.write("system", system);
    const { current } = this;
    if (current) this.#put({ ...current, system });
  }

  /** The system prompt of the open conversation, or what a new one gets. */
  get system(): string {
    return this.current?.system ?? this.#deps.localStore.read("system", v.string(), "");
  }

  /** Settles when the answer ended. */
  async ask(question: string, options: Partial<AskOptions>): Promise<void> {
    const now = this.#deps.now();
    const talk = withQuestion(this.current ?? beginConversation(this.#deps.newId(), this.system, now), question, now);
    await this.#run(talk, options);
  }

  /** Answers the last question anew. */
  async again(options: Partial<AskOptions>): Promise<void> {
    const talk = this.current && backToQuestion(this.current);
    if (talk) await this.#run(talk, options);
  }

  async #run(talk: Conversation, options: Partial<AskOptions>): Promise<void> {
    this.#deps.asker.clear();
    this.#currentId = talk.id;
    this.#answering = talk.id;
    this.#savedAt = this.#deps.now();
    this.#deps.localStore.write("conversation", talk.id);
    this.#put(talk);
    await this.#deps.asker.ask(messagesOf(talk), options);
  }

  /** Writes the answer into its conversation as it grows, and at its end. */
  #follow(): void {
    const { asker, now } = this.#deps;
    const { state } = asker;
    const talk = this.#all.find((each) => each.id === this.#answering);
    if (!talk || state.text === "" || (isRunning(state) && now() - this.#savedAt < DEFAULTS.saveMs)) return;
    this.#savedAt = now();
    this.#put(withAnswer(talk, state.text, state.chosen?.model.id, now()));
  }

  #put(talk: Conversation): void {
    this.#all = [talk, ...this.#all.filter((each) => each.id !== talk.id)].toSorted((a, b) => b.updatedAt - a.updatedAt);
    void this.#write((store) => store.put(talk));
    this.#changed();
  }

  #open(): Promise<ConversationStore> {
    this.#store ??= this.#deps.openStore();
    return this.#store;
  }

  async #write(change: (store: ConversationStore) => Promise<void>): Promise<void> {
    try {
      await change(await this.#open());
    } catch {
      this.#notice = "This browser's storage is full or was cleared, so this conversation is not kept when the page closes.";
      this.#changed();
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
