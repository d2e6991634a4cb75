// Port: where the log of a span's outputs goes when it exceeds its share of memory.
import type { SessionId } from "../../shared/ids.ts";

/**
 * Bytes by session and index. Every method may reject. If bytes are lost the log has a hole, and a replay needs another
 * peer.
 */
export interface OutputStore {
  put(session: SessionId, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Resolves with undefined if it is gone. */
  get(session: SessionId, index: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Forgets the session's entries from `fromIndex` on. */
  drop(session: SessionId, fromIndex: number): Promise<void>;
}

/** In this process, for peers without a disk. */
export class MemoryOutputStore implements OutputStore {
  readonly #sessions = new Map<SessionId, Map<number, Uint8Array<ArrayBuffer>>>();

  /** How many entries it holds, for tests. */
  get size(): number {
    let size = 0;
    for (const entries of this.#sessions.values()) size += entries.size;
    return size;
  }

  async put(session: SessionId, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const entries = this.#sessions.get(session) ?? new Map<number, Uint8Array<ArrayBuffer>>();
    this.#sessions.set(session, entries.set(index, bytes));
  }

  async get(session: SessionId, index: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#sessions.get(session)?.get(index);
  }

  async drop(session: SessionId, fromIndex: number): Promise<void> {
    const entries = this.#sessions.get(session);
    for (const index of [...(entries?.keys() ?? [])]) if (index >= fromIndex) entries?.delete(index);
    if (entries?.size === 0) this.#sessions.delete(session);
  }
}
