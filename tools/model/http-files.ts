// The files of a model on a hub or any web server: streamed, resumed after a broken connection, with failures as
// sentences.
import type { ModelOrigin } from "../../src/model/tiles/manifest.ts";
import { errorMessage, ManyhandsError } from "../../src/shared/errors.ts";
import type { ModelFiles } from "./model-files.ts";

const DEFAULTS = Object.freeze({
  /** How often a broken connection is resumed without a single new byte in between. */
  attempts: 5,
  /** Milliseconds before the first new try; doubled each time. */
  pauseMs: 500,
});

export interface HttpPlace {
  /** Address of the folder that all paths are relative to; ends in a slash. */
  readonly url: string;
  /** `organisation/name` on a hub. */
  readonly repository: string | null;
  readonly revision: string | null;
  /** Address of the hub's list of files; undefined for other servers. */
  readonly listing: string | undefined;
}

interface Listing {
  readonly sha?: unknown;
  readonly siblings?: readonly { readonly rfilename?: unknown }[];
}

export class HttpFiles implements ModelFiles {
  #place: HttpPlace;

  constructor(place: HttpPlace) {
    this.#place = place;
  }

  origin(file: string): ModelOrigin {
    const { repository, revision } = this.#place;
    return { url: new URL(".", this.#url(file)).href, repository, revision };
  }

  /** Lists the files. From then on, files are read from the commit that the hub names, even if the branch moves. */
  async list(): Promise<readonly string[] | undefined> {
    const { listing, repository, revision } = this.#place;
    if (listing === undefined) return undefined;
    const response = await this.#fetch(listing, {});
    if (isAboutTheWhole(response)) throw this.#refusal("the list of files", response);
    if (!response.ok) return undefined; // a mirror without the hub's API: the caller tries names one by one
    const { sha, siblings } = (await response.json()) as Listing; // read field by field below
    if (typeof sha === "string" && /^[0-9a-f]{7,64}$/.test(sha) && repository !== null)
      this.#place = { ...this.#place, revision: sha, url: this.#place.url.replace(`/resolve/${revision}/`, `/resolve/${sha}/`) };
    return siblings?.flatMap(({ rfilename }) => (typeof rfilename === "string" ? [rfilename] : []));
  }

  async read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const response = await this.#fetch(this.#url(file), {});
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    await response.body?.cancel();
    if (response.status === 404 && !isAboutTheWhole(response)) return undefined;
    throw this.#refusal(file, response);
  }

  async *stream(file: string): AsyncGenerator<Uint8Array> {
    let done = 0;
    let total: number | undefined;
    for (let attempt = 1; total === undefined || done < total;) {
      const before = done;
      let failure: unknown;
      const response = await this.#fetch(this.#url(file), done === 0 ? {} : { Range: `bytes=${done}-` });
      if (!response.ok) throw this.#refusal(file, response);
      const length = Number(response.headers.get("content-length") ?? Number.NaN);
      const encoded = response.headers.get("content-encoding") !== null;
      if (total === undefined && Number.isFinite(length) && !encoded) total = length;
      let skip = response.status === 206 ? 0 : done; // a server without ranges starts from the beginning
      try {
        for await (const chunk of response.body ?? []) {
          const fresh = (chunk as Uint8Array).subarray(Math.min(skip, chunk.byteLength)); // fetch's streams carry bytes
          skip -= chunk.byteLength - fresh.byteLength;
          done += fresh.byteLength;
          if (fresh.byteLength > 0) yield fresh;
        }
        if (total === undefined) return;
      } catch (error) {
        failure = error;
      }
      if (done >= (total ?? Infinity)) break;
      attempt = done > before ? 1 : attempt + 1;
      if (attempt > DEFAULTS.attempts)
        throw new ManyhandsError(
          "MODEL_CORRUPT",
          `"${file}" is cut short: the server says ${total} bytes and sends ${done}. Nothing was added; try again later.`,
          { cause: failure },
        );
      await new Promise((resolve) => setTimeout(resolve, DEFAULTS.pauseMs * 2 ** (attempt - 1)));
    }
  }

  #url(file: string): string {
    return new URL(file.split("/").map(encodeURIComponent).join("/"), this.#place.url).href;
  }

  async #fetch(url: string, headers: Record<string, string>): Promise<Response> {
    try {
      return await fetch(url, { headers });
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : errorMessage(cause);
      throw new ManyhandsError(
        "MODEL_UNAVAILABLE",
        `${new URL(url).host} cannot be reached (${reason}). Check the connection, or give a folder that has the files already.`,
        { cause },
      );
    }
  }

  /** Returns the error for a refusal, with what to do about it. The hub's own codes come in `x-error-code`. */
  #refusal(file: string, response: Response): ManyhandsError {
    const { repository, revision } = this.#place;
    const code = response.headers.get("x-error-code");
    const host = new URL(this.#place.url).host;
    const words = ((): string => {
      if (code === "GatedRepo")
        return `"${repository}" is gated: its authors give access on request. Fetch it by hand and give the folder.`;
      if (code === "RevisionNotFound")
        return `"${repository}" has no revision "${revision}". Leave --revision out, or name one that exists.`;
      if (code === "EntryNotFound" || (response.status === 404 && repository === null))
        return `${this.#url(file)} does not exist. Check the address.`;
      if (repository !== null && (code === "RepoNotFound" || response.status === 401 || response.status === 404))
        return code === null && file.includes(".onnx")
          ? `"${repository}" at ${host} has no file "${file}" at revision "${revision}", or there is no such model. Check the id, --revision and --file.`
          : `There is no model "${repository}" at ${host}, or it is private. Check the id: it is written organisation/name.`;
      if (response.status === 429) return `${host} asks for a pause (too many requests). Try again in a few minutes.`;
      return `${host} replied ${response.status} for "${file}". Try again later.`;
    })();
    return new ManyhandsError("MODEL_UNAVAILABLE", words);
  }
}

/** Returns whether a refusal is about the repository or the revision rather than one file. */
const isAboutTheWhole = (response: Response): boolean =>
  ["RepoNotFound", "RevisionNotFound", "GatedRepo"].includes(response.headers.get("x-error-code") ?? "");
