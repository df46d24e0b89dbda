import { html } from "@sonde/service/web";

/** Renders a README as the text that its author wrote. */
export function renderSource(text: string): string {
  return html`<pre>${text}</pre>`.text;
}
