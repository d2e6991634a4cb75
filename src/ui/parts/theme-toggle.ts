// The theme: light, dark, or as the device says. A button goes through the three, and the choice is remembered.
import { LitElement, css, html, type TemplateResult } from "lit";
import * as v from "valibot";
import { SIGNS } from "./icons.ts";
import type { LocalStore } from "../local-store.ts";
import { base, buttons } from "./shared-styles.ts";

const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
const ThemeSchema = v.picklist(THEMES);

const LOOKS = {
  auto: { sign: SIGNS.auto, name: "as the device" },
  light: { sign: SIGNS.sun, name: "light" },
  dark: { sign: SIGNS.moon, name: "dark" },
} as const;

/** Reads a theme from an address or a message; undefined for anything else. */
export function readTheme(value: unknown): Theme | undefined {
  const read = v.safeParse(ThemeSchema, value);
  return read.success ? read.output : undefined;
}

/** Sets the page's theme; theme.css does the rest. */
export function applyTheme(root: HTMLElement, theme: Theme): void {
  if (theme === "auto") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
}

export const rememberedTheme = (localStore: LocalStore): Theme => localStore.read("theme", ThemeSchema, "auto");

export class ThemeToggle extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      .button {
        width: 44px;
        padding: 0;
        background: var(--card);
        border-color: var(--edge);
      }
    `,
  ];
  static override properties = { localStore: { attribute: false }, theme: { state: true } };

  declare localStore: LocalStore;
  declare theme: Theme;

  override connectedCallback(): void {
    super.connectedCallback();
    this.theme = rememberedTheme(this.localStore);
  }

  #next(): void {
    this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length] ?? "auto";
    this.localStore.write("theme", this.theme);
    applyTheme(document.documentElement, this.theme);
  }

  protected override render(): TemplateResult {
    const look = LOOKS[this.theme];
    return html`<button
      type="button"
      class="button"
      data-testid="theme-toggle"
      title="Colours: ${look.name}"
      aria-label="Colours: ${look.name}. Change"
      @click=${this.#next}
    >
      ${look.sign}
    </button>`;
  }
}
