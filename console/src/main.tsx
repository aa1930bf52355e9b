import { render } from "preact";
import { resume } from "./api.ts";
import { App } from "./app.tsx";

const kept = localStorage.getItem("pogw-theme");
if (kept !== null) document.documentElement.dataset["theme"] = kept;
void resume();
render(<App />, document.body);
