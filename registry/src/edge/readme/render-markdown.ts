import MarkdownIt from "markdown-it";
import sanitizeHtml from "sanitize-html";
import { renderSource } from "./render-source.ts";

const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false });
// An image would tell its server who reads the page, so only its alternative text is shown.
markdown.renderer.rules["image"] = (tokens, index) =>
  markdown.utils.escapeHtml(tokens[index]?.content ?? "");

/**
 * Longest HTML, in characters: eight times the longest README. A reference that is used many times
 * repeats its address each time, which would make a page of 40 MB of a README of 30 KB.
 */
const MAX_HTML = 8 * 256 * 1024;

const OUTWARD = /^(https?|mailto):/i;

/**
 * Renders untrusted Markdown as safe HTML. HTML in the source is shown as text, and only the
 * elements listed here remain. Headings start at level 3, below those of the page. There are two
 * defences (attack 38): the renderer escapes, and the sanitizer's allow list filters. A README whose
 * HTML would be too long is shown as source text.
 */
export function renderMarkdown(text: string): string {
  const rendered = markdown.render(text);
  const safe = rendered.length > MAX_HTML ? null : sanitize(rendered);
  return safe === null || safe.length > MAX_HTML ? renderSource(text) : safe;
}

function sanitize(rendered: string): string {
  return sanitizeHtml(rendered, {
    allowedTags: [
      ...["h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "pre", "code", "hr", "br"],
      ...["em", "strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td"],
    ],
    allowedAttributes: { a: ["href", "rel"], ol: ["start"] },
    allowedSchemes: ["http", "https", "mailto"],
    allowProtocolRelative: false,
    transformTags: {
      h1: "h3",
      h2: "h4",
      h3: "h5",
      h4: "h6",
      h5: "h6",
      a: (tagName, { href = "" }) => ({
        tagName,
        attribs: OUTWARD.test(href) ? { href, rel: "nofollow ugc noopener noreferrer" } : {},
      }),
    },
  });
}
