// A model as a row of windows, one per layer: lit if this tab serves the layer, half lit while it loads it.
import { css, html, type TemplateResult } from "lit";
import type { Span } from "../../shared/ids.ts";

export const stripStyles = css`
  .strip {
    display: flex;
    gap: 3px;
    height: 22px;
  }
  .strip i {
    flex: 1 1 0;
    min-width: 1px;
    border-radius: 5px;
    border: 1.5px solid color-mix(in srgb, var(--field-edge) 55%, transparent);
    transition: background 0.4s;
  }
  .strip.many {
    gap: 1px;
  }
  .strip.many i {
    border-radius: 2px;
    border-width: 1px;
  }
  .strip i.lit {
    background: var(--lamp);
    border-color: var(--lamp-edge);
  }
  .strip i.half {
    border-color: var(--lamp-edge);
    background: repeating-linear-gradient(135deg, var(--lamp) 0 2px, transparent 2px 6px);
  }
`;

/** Decorative: the words beside it say the same. */
export function layerStrip(layerCount: number, span: Span | undefined, serving: boolean): TemplateResult {
  const held = (layer: number): string => (span !== undefined && layer >= span.start && layer < span.end ? (serving ? "lit" : "half") : "");
  return html`<div class="strip ${layerCount > 24 ? "many" : ""}" aria-hidden="true">
    ${Array.from({ length: layerCount }, (_, layer) => html`<i class=${held(layer)}></i>`)}
  </div>`;
}
