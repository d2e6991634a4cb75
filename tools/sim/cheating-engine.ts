// Engines of peers that cheat: they serve another layer, round, forget, or say again what they said once. For tests and soaks.
import type { Engine, StepInput, StepOutput, TopLogits } from "../../src/engine/contract.ts";
import type { SessionId } from "../../src/shared/ids.ts";

/** What one step gives instead. */
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

/** Serves the layers of `parts`, one after the other, under the name of `engine`'s. */
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

/** Hands on what eight bits hold of each position: `round` for an engine whose numbers are not floats. */
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

/** Forgets everything each time that `window` positions are full: less memory, and a text that is fluent and wrong. */
export function truncatesCache(engine: Engine, window: number): Engine {
  const rooms = new Map<SessionId, { readonly maxPositions: number; start: number }>();
  return cheating(
    engine,
    async (input, step) => {
      const room = rooms.get(input.session);
      if (room === undefined) return step(input);
      if (input.position - room.start + input.count > window && input.position > room.start) {
        await engine.close(input.session);
        await engine.open(input.session, room.maxPositions);
        room.start = input.position;
      }
      const output = await step({ ...input, position: input.position - room.start });
      return { ...output, position: input.position + input.count };
    },
    {
      open: async (session, maxPositions) => {
        await engine.open(session, maxPositions);
        rooms.set(session, { maxPositions, start: 0 });
      },
      truncate: async (session, position) => {
        const room = rooms.get(session);
        await engine.truncate(session, Math.max(0, position - (room?.start ?? 0)));
      },
    },
  );
}

/** Computes its first session, and answers every later one with what it answered then: of the same position, or the last. */
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
