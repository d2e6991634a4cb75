// Keeps conversations in IndexedDB, so that they go on after a reload; in memory if the browser blocks storage.
import { openDB } from "idb";
import * as v from "valibot";
import { Conversation } from "./conversation.ts";

const STORE = "conversations";

export interface ConversationStore {
  /** Whether stored conversations outlive the page. */
  readonly isKept: boolean;
  /** Resolves with all conversations that can be read; damaged ones are left out. */
  all(): Promise<readonly Conversation[]>;
  put(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
}

/** Opens the database, and creates it first if there is none. Never rejects. */
export async function openConversationStore(name = "manyhands-conversations"): Promise<ConversationStore> {
  try {
    const database = await openDB(name, 1, {
      upgrade(created) {
        created.createObjectStore(STORE, { keyPath: "id" });
      },
      // Another tab has a newer version of the page and wants to upgrade the database: close it here, so that it can.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(), // versionchange events come from the database
    });
    return {
      isKept: true,
      all: async () => {
        const rows: unknown[] = await database.getAll(STORE);
        return rows.flatMap((row) => {
          const read = v.safeParse(Conversation, row);
          return read.success ? [read.output] : [];
        });
      },
      put: async (conversation) => void (await database.put(STORE, conversation)),
      remove: (id) => database.delete(STORE, id),
    };
  } catch {
    return memoryConversationStore(); // blocked: the page says that nothing is kept
  }
}

export function memoryConversationStore(): ConversationStore {
  const rows = new Map<string, Conversation>();
  return {
    isKept: false,
    all: () => Promise.resolve([...rows.values()]),
    put: async (conversation) => void rows.set(conversation.id, conversation),
    remove: async (id) => void rows.delete(id),
  };
}
