// What the embedding page and the widget's frame say to each other: a height one way, a theme the other.
// The embedding page's half, without a schema library: widget.js goes onto other people's pages and stays one small file.

export const WIDGET_THEMES = ["auto", "light", "dark"] as const;
export type WidgetTheme = (typeof WIDGET_THEMES)[number];

export interface HeightMessage {
  readonly manyhands: "height";
  /** CSS pixels. */
  readonly height: number;
}
export interface ThemeMessage {
  readonly manyhands: "theme";
  readonly theme: WidgetTheme;
}

/** Taller than any card: whatever asks for more is not ours. */
const HEIGHT_MAX = 1200;

/** Reads a height that a frame sent; undefined for anything else. */
export function readHeight(data: unknown): number | undefined {
  if (typeof data !== "object" || data === null || !("manyhands" in data) || data.manyhands !== "height" || !("height" in data)) return undefined;
  const { height } = data;
  return typeof height === "number" && height >= 0 && height <= HEIGHT_MAX ? Math.ceil(height) : undefined;
}

/** Reads a theme from an attribute; undefined for anything else. */
export function asTheme(value: unknown): WidgetTheme | undefined {
  return WIDGET_THEMES.find((theme) => theme === value);
}
