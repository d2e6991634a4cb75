// The messages between the embedding page and the widget's frame: the frame sends a height and a no, the page a theme.
// The page's half uses no schema library, since widget.js runs on other people's pages and stays one small file.

export const WIDGET_THEMES = ["auto", "light", "dark"] as const;
export type WidgetTheme = (typeof WIDGET_THEMES)[number];

export interface HeightMessage {
  readonly manyhands: "height";
  /** CSS pixels. */
  readonly height: number;
}
/** The visitor said no, or took it back. The embedding page remembers it in case the frame's own storage is blocked. */
export interface DeclinedMessage {
  readonly manyhands: "declined";
  readonly declined: boolean;
}
export interface ThemeMessage {
  readonly manyhands: "theme";
  readonly theme: WidgetTheme;
}

/** CSS pixels, more than any card needs: a message that asks for more is not from our card. */
const HEIGHT_MAX = 1200;

/** Reads a message from a frame; undefined if it is not one of the card's messages. */
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
