import MarkdownIt from "markdown-it";
import sanitizeHtml from "sanitize-html";

const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false });
// An image would tell a stranger's server who reads the page; its words stay.
markdown.renderer.rules["image"] = (tokens, index) =>
  markdown.utils.escapeHtml(tokens[index]?.content ?? "");

const OUTWARD = /^(https?|mailto):/i;

/**
 * Markdown of a stranger as HTML that can do nothing: markup in it is text, and
 * of what Markdown makes only these elements stay. Headings start at level 3, as
 * they stand within a page. Twice over, because this is where a registry's page
 * would be taken over (attack 38): the renderer escapes, and the filter lets
 * nothing through that is not named here.
 */
export function renderMarkdown(text: string): string {
  return sanitizeHtml(markdown.render(text), {
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
