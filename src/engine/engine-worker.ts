// The engine worker: one span in its own thread, so that computing never blocks the page and its memory is freed whole.
import { expose, transfer } from "comlink";
import { ManyhandsError, errorCode, errorMessage } from "../shared/errors.ts";
import type { EngineResult, EngineWorkerApi } from "./contract.ts";
import { LocalEngine } from "./local-engine.ts";
import { startRunner } from "./start-runner.ts";

let engine: LocalEngine | undefined;

const api: EngineWorkerApi = {
  load: (source, options) =>
    asResult(async () => {
      const { ort, runner, report } = await startRunner(source, options.backend);
      engine = new LocalEngine(ort, runner, report, options);
      return report;
    }),
  open: (session, maxPositions) => asResult(async () => void (await loaded().open(session, maxPositions))),
  async step(input) {
    const result = await asResult(() => loaded().step(input));
    if (!result.ok) return result;
    const { hidden, logits } = result.value;
    return transfer(
      result,
      [hidden, logits?.ids, logits?.values].flatMap((part) => (part ? [part.buffer as ArrayBuffer] : [])),
    );
  },
  truncate: (session, position) => asResult(async () => void (await loaded().truncate(session, position))),
  close: (session) => asResult(async () => void (await loaded().close(session))),
  setShare: (share) => engine?.setShare(share),
};

function loaded(): LocalEngine {
  if (!engine) throw new ManyhandsError("ENGINE_FAILED", "no span is loaded in this worker");
  return engine;
}

async function asResult<T>(work: () => Promise<T>): Promise<EngineResult<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, code: errorCode(error) ?? "ENGINE_FAILED", message: errorMessage(error) };
  }
}

expose(api);
