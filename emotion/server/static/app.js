// The page: three tabs that share the server's description of its network.
import { startLive } from "./live.js";
import { showModel } from "./model.js";
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
addEventListener("hashchange", followAddress);
followAddress();

async function ask() {
  const answer = await fetch("api/model");
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.json();
}

// The tabs work at once; each waits for the description when it needs it.
const model = ask();
onLeave.photo = startPhoto(model);
onLeave.live = startLive(model);
showModel(model);
