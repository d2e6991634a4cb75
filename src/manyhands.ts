// Entry for programs: what a page, a worker or a Node script imports.
export { join, type JoinedNode, type JoinOptions } from "./api/join.ts";
export { type ErrorCode, ManyhandsError } from "./shared/errors.ts";
export { asWorkId, type ModelId, type PeerId, type WorkId } from "./shared/ids.ts";
export type { Log } from "./shared/log.ts";
export type * from "./node/handle.ts";
export { drawSquare, squaresOf } from "./node/handle.ts";
