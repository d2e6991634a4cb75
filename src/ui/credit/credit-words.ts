// Credit in words: amounts, why they moved, what an escrow waits for. Pure.
import type { CreditState, HistoryRow } from "../../node/face.ts";
import { MICRO } from "../../shared/micro.ts";
import { joinWords, plural } from "../parts/format.ts";

/** `1,204`, `8.25`, `0.004`: credits from microcredits, three figures below one. */
export function formatCredits(micro: number): string {
  const credits = micro / MICRO;
  const size = Math.abs(credits);
  if (size >= 100 || Number.isInteger(credits)) return Math.round(credits).toLocaleString("en");
  if (size >= 1) return credits.toFixed(2);
  return String(Number(credits.toPrecision(3)));
}

/** With a sign, for the history. */
export const formatMove = (micro: number): string => (micro > 0 ? `+${formatCredits(micro)}` : `−${formatCredits(-micro)}`);

/** Words for one part of a kind of task, and for several; undefined for what is no kind. */
export type PartWords = (kind: string) => readonly [one: string, many: string] | undefined;

/** The kind of task that a move is about; undefined where it is about something else. The ledger writes `render bafyrei…`. */
function kindOf(about: string, parts: PartWords): string | undefined {
  const [, kind = ""] = /^([a-z_]+) baf[a-z2-7]+$/.exec(about) ?? [];
  return parts(kind) === undefined ? undefined : kind;
}

/** `1 square of a picture`, `12 squares of pictures`; what is about no task is told as it is. */
export function jobWords(about: string, parts: PartWords, count = 1): string {
  const [one, many] = parts(kindOf(about, parts) ?? "") ?? [];
  return one === undefined ? about : plural(count, one, many);
}

/** Moves that are told in one line. */
export interface Moves {
  /** The newest. */
  readonly row: HistoryRow;
  readonly count: number;
  /** Microcredits of all together. */
  readonly amount: number;
}

/** Milliseconds within which moves of the same kind are told together: a work has hundreds of parts. */
const TOGETHER_MS = 10 * 60_000;

/** Newest first, as they come; those of one kind of task, for the same reason, at about the same time as one. */
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

/** Why an account moved, in one line. An unknown reason of a newer relay is told as it is. */
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
      return part === "reserved" ? "No longer set aside: its time was over" : "Given back: its time was over";
    case "storage":
      return part === "escrow" ? `For holding rare layers, in escrow: ${about}` : `For holding rare layers: ${about}`;
    default:
      return about === "" ? why : `${why}: ${about}`;
  }
}

/** What the escrow waits for; empty where nothing does. */
export function escrowWords({ account }: CreditState): string {
  if (account === undefined || account.isTrusted) return "";
  const missing = [
    ...(account.checksToTrust > 0
      ? [plural(account.checksToTrust, "more result that was checked and right", "more results that were checked and right")]
      : []),
    ...(account.requestersToTrust > 0
      ? [plural(account.requestersToTrust, "more peer that asked for work", "more peers that asked for work")]
      : []),
  ];
  return `Half of what a new peer earns waits until its work is trusted: ${joinWords(missing)} to go. A wrong result loses what waits.`;
}

/** What is on its way to the ledger; empty where nothing is. */
export function pendingWords({ waiting, isKept }: CreditState): string {
  if (waiting === 0) return "";
  const where = isKept ? "kept in this browser" : "lost when this page closes, because this browser keeps no storage";
  return `${plural(waiting, "receipt waits", "receipts wait")} for the relay, ${where}.`;
}
