// Engines of peers that cheat: they serve other layers, round, forget, or repeat earlier outputs. For tests and soaks.
import type { Engine, StepInput, StepOutput, TopLogits } from "../../src/engine/contract.ts";
import type { SessionId } from "../../src/shared/ids.ts";

/** Gives the output of one step. `honest` is the step of the real engine. */
type Cheat = (input: StepInput, honest: (input: StepInput) => Promise<StepOutput>) => Promise<StepOutput>;

function cheating(engine: Engine, cheat: Cheat, more: Partial<Engine> = {}): Engine {
  return {
    plan: engine.plan,
    report: engine.report,
    died: engine.died,
    open: (session, maxPositions) => engine.open(session, maxPositions),
    truncate: (session, position) => engine.truncate(session, position),
    close: (session) => engine.close(session),
    setShare: (share) => engine.setShare(share),
    dispose: () => engine.dispose(),
    ...more,
    step: (input) => cheat(input, (honest) => engine.step(honest)),
  };
}

/** Serves the layers of `parts`, one after the other, in the place of `engine`'s. */
export function servesOtherLayers(engine: Engine, parts: readonly Engine[]): Engine {
  const all = async (act: (part: Engine) => Promise<void>): Promise<void> => {
    for (const part of parts) await act(part);
  };
  return cheating(
    engine,
    async (input) => {
      let output: StepOutput | undefined;
      for (const part of parts) {
        const hidden = output === undefined ? input.hidden : output.hidden;
        output = await part.step({ ...input, tokens: output === undefined ? input.tokens : undefined, hidden });
      }
      if (output === undefined) throw new Error("no layers to serve");
      return output;
    },
    {
      open: (session, maxPositions) => all((part) => part.open(session, maxPositions)),
      truncate: (session, position) => all((part) => part.truncate(session, position)),
      close: (session) => all((part) => part.close(session)),
    },
  );
}

/** Rounds each position of its output to eight bits. `round` does that for an engine whose numbers are not floats. */
export function roundsToInt8(engine: Engine, round: (row: Float32Array<ArrayBuffer>) => void = roundRow): Engine {
  const width = engine.plan.boundaryOut.reduce((sum, tensor) => sum + tensor.width, 0);
  return cheating(engine, async (input, step) => {
    const output = await step(input);
    if (output.hidden === undefined) return { ...output, logits: output.logits && roundLogits(output.logits) };
    const hidden = output.hidden.slice();
    const values = new Float32Array(hidden.buffer);
    for (let row = 0; row < input.count; row++) round(values.subarray(row * width, (row + 1) * width));
    return { ...output, hidden };
  });
}

function roundRow(row: Float32Array<ArrayBuffer>): void {
  const scale = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
  if (scale > 0) row.forEach((value, index) => (row[index] = Math.round(value / scale) * scale));
}

const roundLogits = ({ values, ...rest }: TopLogits): TopLogits => ({ ...rest, values: values.map((value) => Math.round(value * 8) / 8) });

/** Forgets everything whenever `window` positions are full: that saves memory, and the text is fluent and wrong. */
export function truncatesCache(engine: Engine, window: number): Engine {
  const opened = new Map<SessionId, { readonly maxPositions: number; start: number }>();
  return cheating(
    engine,
    async (input, step) => {
      const cache = opened.get(input.session);
      if (cache === undefined) return step(input);
      if (input.position - cache.start + input.count > window && input.position > cache.start) {
        await engine.close(input.session);
        await engine.open(input.session, cache.maxPositions);
        cache.start = input.position;
      }
      const output = await step({ ...input, position: input.position - cache.start });
      return { ...output, position: input.position + input.count };
    },
    {
      open: async (session, maxPositions) => {
        await engine.open(session, maxPositions);
        opened.set(session, { maxPositions, start: 0 });
      },
      truncate: async (session, position) => {
        const cache = opened.get(session);
        await engine.truncate(session, Math.max(0, position - (cache?.start ?? 0)));
      },
    },
  );
}

/**
 * Gives honest outputs in its first session, and repeats them in every later one: at each position that of the same
 * position, or the last one.
 */
export function replaysOutputs(engine: Engine): Engine {
  const hidden = new Map<number, Uint8Array<ArrayBuffer>>();
  const logits = new Map<number, TopLogits>();
  let first: SessionId | undefined;
  return cheating(engine, async (input, step) => {
    first ??= input.session;
    const output = await step(input);
    const isFirst = first === input.session;
    if (output.hidden !== undefined) {
      const size = output.hidden.byteLength / input.count;
      const bytes = output.hidden.slice();
      for (let row = 0; row < input.count; row++) {
        const at = input.position + row;
        if (isFirst) hidden.set(at, bytes.slice(row * size, (row + 1) * size));
        else bytes.set(hidden.get(at) ?? hidden.get(hidden.size - 1) ?? [], row * size);
      }
      return { ...output, hidden: bytes };
    }
    if (output.logits === undefined) return output;
    if (isFirst) logits.set(output.position, output.logits);
    return { ...output, logits: logits.get(output.position) ?? [...logits.values()].at(-1) ?? output.logits };
  });
}
