// Who may be lost: peers that somebody misses, and pairs of neighbours whose link broke. Asks them before anybody is replaced.
import { ManyhandsError } from "../../shared/errors.ts";
import type { HopLink } from "./hop-link.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a peer that is missed must give a sign of life. */
  answerMs: 650,
  /** Times that a link between two living neighbours is made anew before the one behind is replaced. */
  flaps: 2,
});

/** A hop that may be gone or, where `up` is given, may have lost its link to the one before it. */
interface Doubt {
  readonly hop: HopLink;
  readonly up: HopLink | undefined;
}

/** Whether a doubt still matters: a hop that is lost is beyond it, and so is a pair that is a pair no more. */
const matters = ({ hop, up }: Doubt): boolean => hop.isOpen && (up === undefined || (up.isOpen && hop.fedBy === up));

export class HopDoubts {
  readonly #onAdded: () => void;
  #doubts: readonly Doubt[] = [];

  constructor(onAdded: () => void) {
    this.#onAdded = onAdded;
  }

  /** Whether anybody who still matters is in doubt. */
  get isOpen(): boolean {
    return this.#doubts.some(matters);
  }

  add(hop: HopLink, up: HopLink | undefined): void {
    if (this.#doubts.some((doubt) => doubt.hop === hop && doubt.up === up)) return;
    this.#doubts = [...this.#doubts, { hop, up }];
    this.#onAdded();
  }

  /** Asks those in doubt. Who gives no sign is lost; of two that both live, the one behind waits to be linked again. */
  async settle(signal: AbortSignal): Promise<void> {
    const doubts = this.#doubts.filter(matters);
    this.#doubts = [];
    await Promise.all(doubts.map((doubt) => this.#settleOne(doubt, signal)));
  }

  async #settleOne(doubt: Doubt, signal: AbortSignal): Promise<void> {
    const { hop, up } = doubt;
    await Promise.all([ask(hop, signal), up && ask(up, signal)]);
    if (up === undefined || !matters(doubt)) return;
    hop.fedBy = undefined;
    if (++hop.flaps > DEFAULTS.flaps) hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route keeps losing its link"));
  }
}

async function ask(hop: HopLink, signal: AbortSignal): Promise<void> {
  try {
    await hop.probe(DEFAULTS.answerMs, signal);
  } catch (error) {
    signal.throwIfAborted();
    hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route is gone", { cause: error }));
  }
}
