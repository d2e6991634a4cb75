// One HTTP request that survives a bad moment: it is retried after growing, jittered
// pauses, or when the server says so.
import type { Clock } from "../../shared/clock.ts";
import { withDeadline } from "../../shared/abort.ts";
import { backoffMs } from "../../shared/backoff.ts";
import { concatBytes } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";

interface BodyChunk {
  readonly done: boolean;
  readonly value?: Uint8Array<ArrayBuffer> | undefined;
}

/** A body as it comes in. The platform's `ReadableStream` is one. */
interface Body {
  getReader(): { read(): Promise<BodyChunk>; cancel(reason?: unknown): Promise<void> };
  /** Fills buffers of the caller. Throws a TypeError if the platform's bodies cannot do that. */
  getReader(options: { readonly mode: "byob" }): {
    read(view: Uint8Array<ArrayBuffer>): Promise<BodyChunk>;
    cancel(reason?: unknown): Promise<void>;
  };
}

/** The part of a response that is read. The platform's `Response` is one. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: Body | null;
}

/** The platform's `fetch` is one. */
export type HttpFetch = (
  url: string,
  init: { readonly headers?: Record<string, string>; readonly signal: AbortSignal },
) => Promise<HttpResponse>;

/** What requests need from outside. */
export interface HttpOptions {
  readonly fetch: HttpFetch;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export interface HttpReply {
  readonly status: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Bytes `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export const HTTP_DEFAULTS = Object.freeze({
  /** Tries in all. With the pauses below, the last one comes after about 5 seconds. */
  attempts: 5,
  /** Pauses between two tries. */
  backoff: { firstMs: 500, mostMs: 8_000, jitter: 0.5 },
  /** The most milliseconds that a server may ask us to wait (Retry-After). A longer wait counts as a no. */
  retryAfterMs: 60_000,
  /** Milliseconds without a byte after which a connection is given up. */
  stallMs: 15_000,
  /** Bytes of the buffer that bodies are read into. */
  chunkBytes: 256 * 1024,
});

/** Whether a status means "later": timeout, too many requests, and the server's own trouble. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/**
 * Resolves with the response to a GET of `url`, or of one range of it, whose body is not
 * read yet. Statuses other than 200, 206 and 416 are failures. Throws MODEL_UNAVAILABLE
 * if all tries failed or the server says no, or the signal's reason.
 */
export async function httpOpen(
  options: HttpOptions,
  url: string,
  range: ByteRange | undefined,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const headers = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` };
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    let reason: string;
    let cause: unknown;
    let askedMs = 0;
    try {
      const response = await options.fetch(url, { headers, signal });
      if (response.status === 200 || response.status === 206 || response.status === 416) return response;
      reason = explain(response);
      if (!isPassing(response.status)) throw new ManyhandsError("MODEL_UNAVAILABLE", `${url} cannot be fetched: ${reason}`);
      askedMs = retryAfterMs(response.headers.get("retry-after"));
      if (askedMs > HTTP_DEFAULTS.retryAfterMs) {
        throw new ManyhandsError(
          "MODEL_UNAVAILABLE",
          `${url} cannot be fetched now: the server asks to come again in ${Math.ceil(askedMs / 60_000)} minutes`,
        );
      }
      void response.body
        ?.getReader()
        .cancel()
        .catch(() => {}); // nobody reads the error page
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ManyhandsError) throw error;
      reason = "the connection failed (is this device online, and does the server allow other sites to read it?)";
      cause = error;
    }
    if (attempt >= HTTP_DEFAULTS.attempts)
      throw new ManyhandsError("MODEL_UNAVAILABLE", `${url} cannot be fetched after ${attempt} tries: ${reason}`, { cause });
    await options.clock.sleep(Math.max(askedMs, pauseMs(attempt, options.random)), signal);
  }
}

/** Milliseconds before try `attempt + 1`. */
export const pauseMs = (attempt: number, random: () => number): number => backoffMs(HTTP_DEFAULTS.backoff, attempt, random());

interface ChunkReader {
  next(): Promise<BodyChunk>;
  cancel(): Promise<void>;
}

/**
 * Reads into the same buffer again and again if the platform can: new buffers would pile up until a garbage collection.
 */
function openBody(body: Body): ChunkReader {
  try {
    const reader = body.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(HTTP_DEFAULTS.chunkBytes);
    return {
      next: async () => {
        const chunk = await reader.read(new Uint8Array(buffer));
        if (chunk.value) buffer = chunk.value.buffer; // transferred to the stream and back
        return chunk;
      },
      cancel: () => reader.cancel(),
    };
  } catch {
    const reader = body.getReader(); // not every platform's bodies fill buffers
    return { next: () => reader.read(), cancel: () => reader.cancel() };
  }
}

/**
 * Yields the chunks of a body as they come. Each is valid until the next one is asked for. Leaving the loop closes the
 * connection. Throws MODEL_UNAVAILABLE if nothing comes for `stallMs` or the connection breaks, or the signal's reason.
 */
export async function* httpChunks(
  response: HttpResponse,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (!response.body) return;
  const reader = openBody(response.body);
  const stalled = (): Error =>
    new ManyhandsError("MODEL_UNAVAILABLE", `the server sent nothing for ${HTTP_DEFAULTS.stallMs / 1000} seconds`);
  try {
    for (;;) {
      const { done, value } = await withDeadline({ clock, ms: HTTP_DEFAULTS.stallMs, onTimeout: stalled }, signal, () => reader.next());
      if (done || value === undefined) return;
      yield value;
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ManyhandsError) throw cause;
    throw new ManyhandsError("MODEL_UNAVAILABLE", "the connection broke", { cause });
  } finally {
    reader.cancel().catch(() => {}); // it may have ended by itself
  }
}

/**
 * Resolves with a whole small file. Throws as httpOpen and httpChunks do, and
 * MODEL_CORRUPT for a body of more than `maxBytes`.
 */
export async function httpGet(options: HttpOptions, url: string, maxBytes: number, signal: AbortSignal): Promise<HttpReply> {
  for (let attempt = 1; ; attempt++) {
    const response = await httpOpen(options, url, undefined, signal);
    const parts: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of httpChunks(response, options.clock, signal)) {
        size += chunk.byteLength;
        if (size > maxBytes) throw new ManyhandsError("MODEL_CORRUPT", `${url} is larger than it may be`);
        parts.push(chunk.slice());
      }
      return { status: response.status, bytes: concatBytes(parts) };
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= HTTP_DEFAULTS.attempts || (error instanceof ManyhandsError && error.code === "MODEL_CORRUPT")) throw error;
      await options.clock.sleep(pauseMs(attempt, options.random), signal);
    }
  }
}

/** Why a request failed. Model hubs distinguish a missing repository, a missing revision and a missing file. */
function explain({ status, headers }: HttpResponse): string {
  switch (headers.get("x-error-code")) {
    case "RepoNotFound":
      return "the hub has no such model, or it is private; check the model's id";
    case "RevisionNotFound":
      return "the hub has the model but not this revision of it; add the model again at a revision that exists";
    case "EntryNotFound":
      return "the hub has this revision of the model but not this file; add the model again";
    case "GatedRepo":
      return "the model is gated: its owner wants each person to agree to terms first";
    default:
      return status === 404 ? "there is no such file (status 404)" : `status ${status}`;
  }
}

/** Milliseconds that a Retry-After header (seconds or a date) asks for. 0 if there is no header. */
function retryAfterMs(header: string | null): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
