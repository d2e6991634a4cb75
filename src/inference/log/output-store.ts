// Port: where the log of a span's outputs goes past its share of memory.
import type { SessionId } from "../../shared/ids.ts";

/** Bytes by session and index. Every method may reject: the log then counts as lost, and the answer is replayed otherwise. */
export interface OutputStore {
  put(session: SessionId, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Undefined where it is not there any more. */
  get(session: SessionId, index: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Forgets the session's entries from `fromIndex` on. */
  drop(session: SessionId, fromIndex: number): Promise<void>;
}

/** In this process: where there is no disk to spill to. */
export class MemoryOutputStore implements OutputStore {
  readonly #sessions = new Map<SessionId, Map<number, Uint8Array<ArrayBuffer>>>();

  /** Entries held, for whoever counts. */
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
