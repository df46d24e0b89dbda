import { render } from "preact";
import { App } from "./app.tsx";
import { startLive } from "./live.ts";

const place = document.getElementById("console");
if (place !== null) {
  place.replaceChildren();
  startLive();
  render(<App />, place);
}
