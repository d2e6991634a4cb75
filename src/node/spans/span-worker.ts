// The worker of one span: its runtime, its sessions and its links, so that hidden states go from worker to worker.
import { expose, type Remote } from "comlink";
import { LocalEngine } from "../../engine/local-engine.ts";
import { startRunner } from "../../engine/start-runner.browser.ts";
import { SpanService } from "../../inference/server/span-service.ts";
import type { Link } from "../../mesh/ports/link.ts";
import { openPortLink } from "../../mesh/port-link.ts";
import { openRtcLink } from "../../mesh/rtc/rtc-link.ts";
import { abortable } from "../../shared/abort.ts";
import { systemClock } from "../../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { acquireOutputStore } from "./acquire-output-store.ts";
import { ServedTally } from "./served-tally.ts";
import type { MovedLink, Outcome, SpanPageApi, SpanWorkerApi, SpanWorkerEvent } from "./span-contract.ts";

interface Loaded {
  readonly engine: LocalEngine;
  readonly service: SpanService;
  readonly report: (event: SpanWorkerEvent) => void;
}

const DEFAULTS = Object.freeze({
  /** Milliseconds between two reports of served steps: each one wakes the page's main thread beside a computation. */
  servedMs: 250,
});

let loaded: Loaded | undefined;
const stopping = new AbortController();

const api: SpanWorkerApi = {
  async load(source, options, page) {
    try {
      const { ort, runner, report } = await startRunner(source, options, systemClock);
      loaded = await serve(new LocalEngine(ort, runner, report, { ...options, clock: systemClock }), page as Remote<SpanPageApi>); // Comlink makes it one
      return { ok: true, value: report };
    } catch (error) {
      return { ok: false, code: errorCode(error) ?? "ENGINE_FAILED", message: errorMessage(error) };
    }
  },
  accept(moved) {
    if (loaded) loaded.service.accept(openMoved(moved, loaded.report));
  },
  retire: async () => loaded?.service.retire(stopping.signal),
  leave: async () => loaded?.service.leave(stopping.signal),
  async stop() {
    stopping.abort();
    await loaded?.service.stop();
  },
  setShare: (share) => loaded?.engine.setShare(share),
};

async function serve(engine: LocalEngine, page: Remote<SpanPageApi>): Promise<Loaded> {
  // Whether the page got a report changes nothing here.
  const report = (event: SpanWorkerEvent): void => void page.report(event).catch(() => {});
  const say =
    (level: keyof Log): Log["warn"] =>
    (message, fields) =>
      report({ kind: "log", level, message, fields: { ...fields } });
  const open = async (peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> => {
    const asked: Promise<Outcome<MovedLink>> = page.open(peer, protocol);
    const outcome = await abortable(asked, signal).catch((error: unknown) => {
      // It may still come, but nobody needs it then.
      void asked.then((late) => (late.ok ? openMoved(late.value, report).close() : undefined));
      throw error;
    });
    if (!outcome.ok) throw new ManyhandsError(outcome.code, outcome.message);
    return openMoved(outcome.value, report);
  };
  const log: Log = { debug: say("debug"), info: say("info"), warn: say("warn") };
  const outputs = await acquireOutputStore(log);
  const service = new SpanService({ engine, mesh: { open }, clock: systemClock, log, ...(outputs && { outputs }) });
  const tally = new ServedTally();
  service.on("span:served", (step) => {
    if (tally.add(step)) setTimeout(() => report({ kind: "served", served: tally.take() }), DEFAULTS.servedMs);
  });
  service.on("frame:refused", (refused) => report({ kind: "refused", refused }));
  service.on("session:tallied", (tally) => report({ kind: "tallied", tally }));
  service.on("sessions:changed", (sessions) => report({ kind: "sessions", sessions }));
  return { engine, service, report };
}

/** Makes a moved end a link of this thread. */
function openMoved({ id, remote, end }: MovedLink, report: (event: SpanWorkerEvent) => void): Link {
  const link = end instanceof MessagePort ? openPortLink(end, remote) : openRtcLink(end, remote);
  void link.closed.then(() => report({ kind: "link-closed", id }));
  return link;
}

expose(api);
