// Branded identifiers: the compiler refuses a peer id in the place of a model id.

type Branded<Name extends string> = string & { readonly "~id": Name };

/** A peer's public key in libp2p's text form (`12D3Koo…` for Ed25519). */
export type PeerId = Branded<"PeerId">;
/** CID (base32, dag-cbor, SHA-256) of a model's manifest. */
export type ModelId = Branded<"ModelId">;
/** 16 random bytes drawn by the requester, as 32 lower-case hex digits. */
export type SessionId = Branded<"SessionId">;
/** CID (base32, dag-cbor, SHA-256) of a task's canonical bytes. */
export type TaskId = Branded<"TaskId">;
/** 16 random bytes drawn by the requester of a job, as 32 lower-case hex digits. */
export type JobId = Branded<"JobId">;

// These casts are the point of branding: the caller vouches for the form.
export const asPeerId = (text: string): PeerId => text as PeerId;
export const asModelId = (text: string): ModelId => text as ModelId;
export const asSessionId = (text: string): SessionId => text as SessionId;
export const asTaskId = (text: string): TaskId => text as TaskId;
export const asJobId = (text: string): JobId => text as JobId;

/** Contiguous layers `[start, end)` of a model, counted from 0. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export const spanLength = (span: Span): number => span.end - span.start;
export const sameSpan = (a: Span, b: Span): boolean => a.start === b.start && a.end === b.end;
