// The requester's own side of a session: the tokens that it sent, as steps for the first span, and the logits that it
// received.
import type { SessionId } from "../../shared/ids.ts";
import { silentLog } from "../../shared/log.ts";
import { Outbox } from "../log/outbox.ts";
import { OutputBudget } from "../log/output-budget.ts";
import { MemoryOutputStore } from "../log/output-store.ts";
import { chainTokens, PrefixLog } from "../log/prefix-log.ts";
import { TOKEN_BOUNDARY } from "../log/row-hashes.ts";
import { ReceivedLogits } from "./received-logits.ts";

export interface RequesterLogOptions {
  readonly session: SessionId;
  /** Head of the running hash. */
  readonly root: Uint8Array;
  readonly topK: number;
  readonly vocabularySize: number;
}

export class RequesterLog {
  readonly outbox: Outbox;
  readonly received: ReceivedLogits;
  readonly #prefixes: PrefixLog;

  constructor({ session, root, topK, vocabularySize }: RequesterLogOptions) {
    this.#prefixes = new PrefixLog(root);
    this.received = new ReceivedLogits({ topK, vocabularySize });
    const budget = new OutputBudget(new MemoryOutputStore(), silentLog, Infinity);
    this.outbox = new Outbox({ session, boundary: TOKEN_BOUNDARY, budget, onLost: () => {} }); // the hop itself reports its loss
  }

  /** Accepted positions. */
  get positions(): number {
    return this.#prefixes.positions;
  }

  /** Forgets the positions after `position`; the next step makes the spans forget them too. */
  truncate(position: number): void {
    this.#prefixes.truncate(position);
    this.outbox.truncate(position);
    this.received.rows.truncate(position);
  }

  /** Accepts `tokens` as the next step and sends it. Returns the running hash after each of its positions. */
  append(tokens: readonly number[], logitRows: number, truncate: boolean): Uint8Array {
    const { positions: position } = this;
    const prefix = this.#prefixes.head.slice();
    const chain = chainTokens(prefix, tokens);
    this.#prefixes.append(chain);
    const head = { position, count: tokens.length, prefix, chain, truncate, replay: false, logitRows, timings: [] };
    this.outbox.append(head, new Uint8Array(Int32Array.from(tokens).buffer));
    void this.outbox.flush();
    return chain;
  }
}
