// The page: three tabs that share what finds the faces, the engine. `emotion serve` and the page without a server start
// it with their own engines; the interface is that of server_engine.js.
import { choiceOf } from "./choice.js";
import { startLive } from "./live.js";
import { showModel, showProcessor } from "./model.js";
import { startPhoto } from "./photo.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
const onLeave = {};

function select(tab, focus = false) {
  for (const other of tabs) {
    const chosen = other === tab;
    const panel = document.getElementById(other.getAttribute("aria-controls"));
    if (!chosen && !panel.hidden) onLeave[panel.id]?.();
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    panel.hidden = !chosen;
  }
  if (focus) tab.focus();
  history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
}

function move(event) {
  const here = tabs.indexOf(event.currentTarget);
  const steps = { ArrowRight: here + 1, ArrowLeft: here - 1 + tabs.length, Home: 0, End: tabs.length - 1 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  select(tabs[steps[event.key] % tabs.length], true);
}

function followAddress() {
  const tab = document.getElementById(`tab-${location.hash.slice(1)}`);
  if (tab) select(tab);
}

for (const tab of tabs) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", move);
}

// `engine` is in use until a person chooses the other one, of which there is a promise, perhaps of null.
export function startPage(engine, other = Promise.resolve(null)) {
  const choice = choiceOf(engine, other);
  onLeave.photo = startPhoto(choice);
  onLeave.live = startLive(choice);
  choice.onChange(onLeave.live);
  showModel(engine.describe());
  showProcessor(engine);
  other.then(showProcessor);
  addEventListener("hashchange", followAddress);
  followAddress();
}
