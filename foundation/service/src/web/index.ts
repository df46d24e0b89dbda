export { Html, html } from "./html.ts";
export {
  type Asset,
  addAssets,
  buildAsset,
  INTERACTIVE,
  renderDocument,
  sendPage,
} from "./page.ts";
