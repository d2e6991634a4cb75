// The person's conversations: the list, the one that is open, and the answer that is being written into it.
import * as v from "valibot";
import type { AskOptions } from "../../node/face.ts";
import { isRunning } from "./ask-state.ts";
import type { AskController } from "./ask-controller.ts";
import { backToQuestion, beginConversation, type Conversation, messagesOf, withAnswer, withQuestion, withTitle } from "./conversation.ts";
import type { ConversationStore } from "./conversation-store.ts";
import type { LocalStore } from "../local-store.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two saves of an answer that grows: a tab that is closed loses no more than that. */
  saveMs: 1500,
});

export interface ConversationsOptions {
  readonly openStore: () => Promise<ConversationStore>;
  readonly askController: AskController;
  readonly localStore: LocalStore;
  readonly now: () => number;
  readonly newId: () => string;
}

export class Conversations {
  readonly #options: ConversationsOptions;
  readonly #listeners = new Set<() => void>();
  #store: Promise<ConversationStore> | undefined;
  #all: readonly Conversation[] = [];
  #currentId: string | undefined;
  /** The conversation that the answer of `askController` belongs to. */
  #answering: string | undefined;
  #savedAt = 0;
  #notice = "";

  constructor(options: ConversationsOptions) {
    this.#options = options;
    options.askController.subscribe(() => this.#follow());
  }

  /** Newest first. */
  get all(): readonly Conversation[] {
    return this.#all;
  }

  get current(): Conversation | undefined {
    return this.#all.find((conversation) => conversation.id === this.#currentId);
  }

  /** Whether the answer of `askController` belongs to the conversation that is open. */
  get isLive(): boolean {
    return this.#answering !== undefined && this.#answering === this.#currentId;
  }

  /** What a person should know about storage; empty while all is well. */
  get notice(): string {
    return this.#notice;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the stored conversations and opens the one that was open last. Later calls do nothing. */
  async load(): Promise<void> {
    if (this.#store !== undefined) return;
    const store = await this.#open();
    const kept = await store.all().catch(() => []);
    const fresh = new Set(this.#all.map((conversation) => conversation.id));
    this.#all = [...this.#all, ...kept.filter((conversation) => !fresh.has(conversation.id))].toSorted((a, b) => b.updatedAt - a.updatedAt);
    this.#currentId ??= this.#options.localStore.read("conversation", v.nullable(v.string()), null) ?? undefined;
    if (!store.isKept) this.#notice = "This browser blocks storage, so conversations are gone when the page closes.";
    this.#changed();
  }

  /** Opens a conversation, or a new one if `id` is undefined. A running answer is stopped; its text so far is kept. */
  open(id: string | undefined): void {
    if (id === this.#currentId) return;
    this.#options.askController.clear();
    this.#answering = undefined;
    this.#currentId = id;
    this.#options.localStore.write("conversation", id ?? null);
    this.#changed();
  }

  rename(id: string, title: string): void {
    const conversation = this.#all.find((each) => each.id === id);
    if (conversation && title.trim() !== "") this.#put(withTitle(conversation, title));
  }

  /** Resolves once the conversation is gone from the store too. */
  async remove(id: string): Promise<void> {
    if (id === this.#currentId) this.open(undefined);
    this.#all = this.#all.filter((conversation) => conversation.id !== id);
    this.#changed();
    await this.#write((store) => store.remove(id));
  }

  setSystem(system: string): void {
    this.#options.localStore.write("system", system);
    const { current } = this;
    if (current) this.#put({ ...current, system });
  }

  /** The system prompt of the open conversation, or the one that a new conversation starts with. */
  get system(): string {
    return this.current?.system ?? this.#options.localStore.read("system", v.string(), "");
  }

  /** Adds `question` to the open conversation, or begins a new one with it. Resolves once the answer has ended. */
  async ask(question: string, options: Partial<AskOptions>): Promise<void> {
    const now = this.#options.now();
    const conversation = withQuestion(this.current ?? beginConversation(this.#options.newId(), this.system, now), question, now);
    await this.#run(conversation, options);
  }

  /** Asks the last question again. Resolves once the answer has ended. */
  async again(options: Partial<AskOptions>): Promise<void> {
    const conversation = this.current && backToQuestion(this.current);
    if (conversation) await this.#run(conversation, options);
  }

  async #run(conversation: Conversation, options: Partial<AskOptions>): Promise<void> {
    this.#options.askController.clear();
    this.#currentId = conversation.id;
    this.#answering = conversation.id;
    this.#savedAt = this.#options.now();
    this.#options.localStore.write("conversation", conversation.id);
    this.#put(conversation);
    await this.#options.askController.ask(messagesOf(conversation), options);
  }

  /** Saves the answer in its conversation while it grows, and at its end. */
  #follow(): void {
    const { askController, now } = this.#options;
    const { state } = askController;
    const conversation = this.#all.find((each) => each.id === this.#answering);
    if (!conversation || state.text === "" || (isRunning(state) && now() - this.#savedAt < DEFAULTS.saveMs)) return;
    this.#savedAt = now();
    this.#put(withAnswer(conversation, state.text, state.chosen?.model.id, now()));
  }

  #put(conversation: Conversation): void {
    this.#all = [conversation, ...this.#all.filter((each) => each.id !== conversation.id)].toSorted((a, b) => b.updatedAt - a.updatedAt);
    void this.#write((store) => store.put(conversation));
    this.#changed();
  }

  #open(): Promise<ConversationStore> {
    this.#store ??= this.#options.openStore();
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
