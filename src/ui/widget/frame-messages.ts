// What the embedding page and the widget's frame say to each other: a height and a no one way, a theme the other.
// The embedding page's half, without a schema library: widget.js goes onto other people's pages and stays one small file.

export const WIDGET_THEMES = ["auto", "light", "dark"] as const;
export type WidgetTheme = (typeof WIDGET_THEMES)[number];

export interface HeightMessage {
  readonly manyhands: "height";
  /** CSS pixels. */
  readonly height: number;
}
/** The visitor's no, or its taking back: the embedding page keeps it where the frame's own storage is blocked. */
export interface DeclinedMessage {
  readonly manyhands: "declined";
  readonly declined: boolean;
}
export interface ThemeMessage {
  readonly manyhands: "theme";
  readonly theme: WidgetTheme;
}

/** Taller than any card: whatever asks for more is not ours. */
const HEIGHT_MAX = 1200;

/** Reads what a frame sent; undefined for anything that is not a message of the card. */
export function readFrameMessage(data: unknown): HeightMessage | DeclinedMessage | undefined {
  if (typeof data !== "object" || data === null || !("manyhands" in data)) return undefined;
  if (data.manyhands === "height" && "height" in data) {
    const { height } = data;
    return typeof height === "number" && height >= 0 && height <= HEIGHT_MAX
      ? { manyhands: "height", height: Math.ceil(height) }
      : undefined;
  }
  if (data.manyhands === "declined" && "declined" in data && typeof data.declined === "boolean")
    return { manyhands: "declined", declined: data.declined };
  return undefined;
}

/** Reads a theme from an attribute; undefined for anything else. */
export function asTheme(value: unknown): WidgetTheme | undefined {
  return WIDGET_THEMES.find((theme) => theme === value);
}
