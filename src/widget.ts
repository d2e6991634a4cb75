// Entry of widget.js: defines <manyhands-widget>, a frame of the relay's origin on somebody else's page. It runs in the
// embedding page, so it does next to nothing: it places the frame, fits its height, passes the theme on, and keeps a
// no.
import { asTheme, readFrameMessage, type ThemeMessage, type WidgetTheme } from "./ui/widget/frame-messages.ts";

/** Pixels, until the card has sent its own height. */
const FIRST_HEIGHT = { full: 250, compact: 132 } as const;

// Not an asset of this script: the relay serves this page beside it.
const FRAME = new URL(/* @vite-ignore */ "widget.html", import.meta.url);

/** Key of a visitor's no, kept in this page too: many browsers block all storage in a frame of another site. */
const NO = "manyhands.declined";

function saidNo(): boolean {
  try {
    return localStorage.getItem(NO) !== null;
  } catch {
    return false; // storage is blocked here as well, so the card asks again
  }
}

function rememberNo(declined: boolean): void {
  try {
    if (declined) localStorage.setItem(NO, "1");
    else localStorage.removeItem(NO);
  } catch {
    // As above.
  }
}

class ManyhandsWidget extends HTMLElement {
  static readonly observedAttributes = ["theme"];

  #frame: HTMLIFrameElement | undefined;

  connectedCallback(): void {
    addEventListener("message", this.#onMessage);
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const frame = document.createElement("iframe");
    const compact = this.hasAttribute("compact");
    const src = new URL(FRAME);
    src.search = new URLSearchParams({
      theme: this.#theme(),
      host: location.origin,
      ...(compact ? { compact: "" } : {}),
      ...(saidNo() ? { declined: "" } : {}),
    }).toString();
    frame.title = "Manyhands: lend this tab";
    frame.loading = "lazy";
    frame.referrerPolicy = "origin";
    // The card needs scripts and its own origin. It may not open windows, send forms, or navigate the page around it.
    frame.setAttribute("sandbox", "allow-scripts allow-same-origin");
    frame.allow = "";
    frame.style.cssText = `display:block;width:100%;border:0;height:${compact ? FIRST_HEIGHT.compact : FIRST_HEIGHT.full}px;background:transparent`;
    frame.src = src.href;
    this.#frame = frame;
    this.#applyColourScheme();
    const style = document.createElement("style");
    style.textContent = ":host{display:block;width:100%;max-width:420px}:host([hidden]){display:none}";
    root.replaceChildren(style, frame);
  }

  disconnectedCallback(): void {
    removeEventListener("message", this.#onMessage);
    this.#frame?.remove();
    this.#frame = undefined;
  }

  attributeChangedCallback(): void {
    this.#applyColourScheme();
    const message: ThemeMessage = { manyhands: "theme", theme: this.#theme() };
    this.#frame?.contentWindow?.postMessage(message, FRAME.origin);
  }

  readonly #onMessage = (event: MessageEvent): void => {
    const frame = this.#frame;
    if (frame === undefined || event.source !== frame.contentWindow || event.origin !== FRAME.origin) return;
    const message = readFrameMessage(event.data);
    if (message?.manyhands === "height") frame.style.height = `${message.height}px`;
    if (message?.manyhands === "declined") rememberNo(message.declined);
  };

  #theme(): WidgetTheme {
    return asTheme(this.getAttribute("theme")) ?? "auto";
  }

  /** A frame is transparent only while it has the same colour scheme as its surroundings. */
  #applyColourScheme(): void {
    const theme = this.#theme();
    if (this.#frame !== undefined) this.#frame.style.colorScheme = theme === "auto" ? "light dark" : theme;
  }
}

// A page may carry the tag twice.
if (customElements.get("manyhands-widget") === undefined) customElements.define("manyhands-widget", ManyhandsWidget);
