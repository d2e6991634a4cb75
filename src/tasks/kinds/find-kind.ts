// Looks kinds up in the list: their facts at once, their code once it is fetched.
import type { KindCode, KindFacts, OfferedKind, TaskKind } from "../task-kind.ts";
import { KINDS, type TaskKindName } from "./kind-list.ts";

/** By name. */
export type Kinds = ReadonlyMap<string, TaskKind>;

/** Undefined if there is no kind of this name. */
export const factsOf = (name: string): KindFacts | undefined => (isKind(name) ? KINDS[name] : undefined);

/** Microcredits of one unit of this kind; undefined if there is no such kind. */
export const unitPrice = (name: string): number | undefined => factsOf(name)?.price.micro;

/** A kind as a volunteer offers it. */
export function offerOf(name: TaskKindName): OfferedKind {
  const { version, determinismClass }: KindFacts = KINDS[name];
  return { name, version, ...(determinismClass !== undefined && { determinismClass }) };
}

/** Kinds that any thread computes: no models, no programs of strangers, no graphics card. */
export const PLAIN_KINDS: readonly TaskKindName[] = Object.freeze(Object.keys(KINDS).filter(isPlain));

/** A kind with this code, under its name in the list. */
export const withCode = <Data, Value>(name: TaskKindName, code: KindCode<Data, Value>): TaskKind<Data, Value> => ({
  ...offerOf(name),
  ...code,
});

/**
 * Kinds of the list with the code that a requester needs; for a plain kind that is all the code it has. Rejects if it
 * cannot be fetched.
 */
export async function loadKinds(names: readonly TaskKindName[] = Object.keys(KINDS).filter(isKind)): Promise<Kinds> {
  const kinds = await Promise.all(names.map(async (name): Promise<TaskKind> => withCode(name, await (KINDS[name] as KindFacts).load())));
  return new Map(kinds.map((kind) => [kind.name, kind]));
}

function isKind(name: string): name is TaskKindName {
  return Object.hasOwn(KINDS, name);
}

function isPlain(name: string): name is TaskKindName {
  return isKind(name) && factsOf(name)?.needs === undefined;
}
