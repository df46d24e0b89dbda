import { expect, test } from "vitest";
import { html } from "./html.ts";

test("values are escaped wherever they stand, markup is not", () => {
  const value = `<a b="c" d='e'>&`;
  expect(html`<p title="${value}">${value}${null}${3}</p>`.text).toBe(
    `<p title="&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;">&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;3</p>`,
  );
  expect(html`${[html`<b>${"<"}</b>`, html`!`]}`.text).toBe("<b>&lt;</b>!");
});
