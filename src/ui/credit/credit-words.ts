// Credit in words: amounts, why they moved, and what an escrow waits for. Pure.
import type { CreditState, HistoryRow } from "../../node/face.ts";
import { MICRO } from "../../shared/micro.ts";
import { joinWords, plural } from "../parts/format.ts";

/** Returns microcredits as credits: `1,204`, `8.25`, `0.004`, with three figures below one. */
export function formatCredits(micro: number): string {
  const credits = micro / MICRO;
  const size = Math.abs(credits);
  if (size >= 100 || Number.isInteger(credits)) return Math.round(credits).toLocaleString("en");
  if (size >= 1) return credits.toFixed(2);
  return String(Number(credits.toPrecision(3)));
}

/** Returns an amount with its sign, for the history. */
export const formatMove = (micro: number): string => (micro > 0 ? `+${formatCredits(micro)}` : `−${formatCredits(-micro)}`);

/** Returns words for one part of a kind of task, and for several; undefined if there is no such kind. */
export type PartWords = (kind: string) => readonly [one: string, many: string] | undefined;

/** Returns the kind of task that a move is about, if it is about a task: the ledger writes `render bafyrei…`. */
function kindOf(about: string, parts: PartWords): string | undefined {
  const [, kind = ""] = /^([a-z_]+) baf[a-z2-7]+$/.exec(about) ?? [];
  return parts(kind) === undefined ? undefined : kind;
}

/** Returns `1 square of a picture` or `12 squares of pictures`; text that is not about a task comes back as it is. */
export function jobWords(about: string, parts: PartWords, count = 1): string {
  const [one, many] = parts(kindOf(about, parts) ?? "") ?? [];
  return one === undefined ? about : plural(count, one, many);
}

/** Moves that share one line. */
export interface Moves {
  /** The newest. */
  readonly row: HistoryRow;
  readonly count: number;
  /** Microcredits of all moves together. */
  readonly amount: number;
}

/** Milliseconds within which moves of the same kind share a line: a job has hundreds of parts. */
const TOGETHER_MS = 10 * 60_000;

/** Gathers moves, newest first: those of one kind of task, for one reason, at about the same time, become one. */
export function gatherMoves(rows: readonly HistoryRow[], parts: PartWords): readonly Moves[] {
  const gathered: Moves[] = [];
  for (const row of rows) {
    const kind = kindOf(row.about, parts);
    const isLike = ({ row: first }: Moves): boolean =>
      first.why === row.why && first.part === row.part && kindOf(first.about, parts) === kind && first.atMs - row.atMs < TOGETHER_MS;
    const at = kind === undefined ? -1 : gathered.findIndex((moves) => isLike(moves) && Math.sign(moves.amount) === Math.sign(row.amount));
    const moves = gathered[at];
    if (moves === undefined) gathered.push({ row, count: 1, amount: row.amount });
    else gathered[at] = { ...moves, count: moves.count + 1, amount: moves.amount + row.amount };
  }
  return gathered;
}

/** Returns why an account moved, in one line. An unknown reason, from a newer relay, is shown as it is. */
export function moveWords({ why, part, amount, about: named }: HistoryRow, parts: PartWords, count = 1): string {
  const about = jobWords(named, parts, count);
  switch (why) {
    case "receipt":
      if (part === "escrow") return `Earned, in escrow: ${about}`;
      return amount > 0 ? `Earned: ${about}` : `Paid: ${about}`;
    case "trusted":
      return part === "escrow" ? "Out of escrow: your work is trusted" : "Escrow released: your work is trusted";
    case "wrong":
      return `Taken back, a result was wrong: ${about}`;
    case "reopened":
      return part === "escrow" ? `Waits for a check, since a result was wrong: ${about}` : `Back into escrow, a result was wrong: ${about}`;
    case "confirmed":
      return part === "escrow" ? `Out of escrow, a check agreed: ${about}` : `Released, a check agreed: ${about}`;
    case "reserve":
      return part === "reserved" ? "Set aside for work that was asked for" : "Set aside";
    case "release":
      return part === "reserved" ? "No longer set aside" : "Given back, not used";
    case "expire":
      return part === "reserved" ? "No longer set aside: its time ran out" : "Given back: its time ran out";
    case "storage":
      return part === "escrow" ? `For holding rare layers, in escrow: ${about}` : `For holding rare layers: ${about}`;
    default:
      return about === "" ? why : `${why}: ${about}`;
  }
}

/** Returns what the escrow waits for; empty if the account is trusted. */
export function escrowWords({ account }: CreditState): string {
  if (account === undefined || account.isTrusted) return "";
  const missing = [
    ...(account.checksToTrust > 0
      ? [plural(account.checksToTrust, "more result that is checked and right", "more results that are checked and right")]
      : []),
    ...(account.requestersToTrust > 0
      ? [plural(account.requestersToTrust, "more peer that asks for work", "more peers that ask for work")]
      : []),
  ];
  return `Half of what a new peer earns waits until its work is trusted. Still needed: ${joinWords(missing)}. A wrong result loses what waits.`;
}

/** Returns how many receipts are on their way to the ledger, in one sentence; empty if none is. */
export function pendingWords({ waiting, isKept }: CreditState): string {
  if (waiting === 0) return "";
  const where = isKept ? "kept in this browser" : "lost when this page closes, because this browser blocks storage";
  return `${plural(waiting, "receipt waits", "receipts wait")} for the relay, ${where}.`;
}
