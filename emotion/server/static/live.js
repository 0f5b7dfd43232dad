// The tab Live: gives camera frames to the engine and shows the faces in them; each frame waits for the last answer.
import { closeCamera, openCamera } from "./camera.js";
import { viewOf } from "./view.js";

const SPAN = 2000; // milliseconds over which frames are counted

const at = (id) => document.getElementById(id);
const video = at("live-video");
const showFaces = viewOf("live", (face) => `${face.track}`, true);

let choice = null;
let colours = {};
let session = null; // of the engine, while it is live
let starts = 0; // each start and stop has a number, so that what opens too late is closed
let fresh = false; // whether the camera has a frame that was not sent yet
let due = false; // whether the engine waits for one
let times = [];
let exited = false; // the server was stopped by Exit

function say(text, problem = false) {
  // Screen readers read each change aloud, so change it only when needed.
  if (at("live-status").textContent !== text) at("live-status").textContent = text;
  at("live-status").classList.toggle("problem", problem);
}

async function start() {
  const number = ++starts;
  const wanted = () => number === starts;
  const engine = choice.engine();
  at("start").disabled = true;
  at("stop").disabled = false;
  keepFocus("stop");
  say("Opening the camera ...");
  try {
    ({ colours } = await engine.describe());
    await openCamera(video, wanted, (problem) => { if (wanted()) stop(problem); });
    if (!wanted()) return;
    showFaces({ width: video.videoWidth, height: video.videoHeight, faces: [] }, colours);
    at("live-result").hidden = false;
    say("Getting ready to find faces ...");
    await engine.prepare((text) => { if (wanted()) say(text); });
    if (wanted()) await connect(engine, number);
  } catch (error) {
    if (wanted()) stop(error.message);
  }
}

async function connect(engine, number) {
  const opened = await engine.live({ smoothing: smoothing(), answered: receive, closed: stop });
  if (number !== starts) return opened.close();
  session = opened;
  say("Live.");
  due = true;
  watchFrames(number);
}

// A disabled button loses the focus, so move it to the button that is used next.
function keepFocus(successor) {
  if ([document.body, at("start"), at("stop")].includes(document.activeElement)) at(successor).focus();
}

function watchFrames(number) {
  const next = () => {
    if (number !== starts) return;
    fresh = true;
    watchFrames(number);
    if (due) send();
  };
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(next);
  else requestAnimationFrame(next);
}

async function send() {
  const sender = session;
  [due, fresh] = [false, false];
  try {
    const sent = await sender.send(video);
    if (sender === session && !sent) due = true; // the camera has not given a frame yet
  } catch (error) {
    if (sender === session) stop(error.message);
  }
}

function receive(answer) {
  showFaces(answer, colours, at("landmarks").checked);
  say(answer.faces.length ? "Live." : "Live. No face found.");
  count();
  // A new frame may have come while the engine was at work; waiting for another would halve the rate.
  if (fresh) send();
  else due = true;
}

function count() {
  const now = performance.now();
  times = [...times.filter((time) => now - time < SPAN), now];
  const span = now - times[0];
  at("fps").textContent = span > 0 ? Math.round((times.length - 1) / span * 1000) : 0;
}

function stop(problem = "") {
  starts++;
  session?.close();
  session = null;
  closeCamera(video);
  times = [];
  at("fps").textContent = "0";
  at("live-result").hidden = true;
  if (exited) return; // the status already says so
  at("start").disabled = false;
  keepFocus("start");
  at("stop").disabled = true;
  say(problem || "Stopped. The camera is released.", Boolean(problem));
}

const smoothing = () => Number(at("smoothing").value);

function smooth() {
  at("smoothing-value").textContent = `${smoothing().toFixed(1)} s`;
  session?.smooth(smoothing());
}

// Stop is enabled from Start on.
function leave() {
  if (!at("stop").disabled) stop();
}

async function exit(server) {
  leave();
  try {
    await server.stop();
  } catch (error) {
    return say(error.message, true);
  }
  exited = true;
  // The engine in the browser, too, comes from the server.
  for (const part of document.querySelectorAll("#live button, #photo button, #file, #engines")) part.disabled = true;
  say("The server has stopped. You can close this page.");
}

// Returns the function to call when the person leaves the tab.
export function startLive(engines) {
  choice = engines;
  const first = engines.engine();
  at("start").addEventListener("click", start);
  at("stop").addEventListener("click", () => stop());
  at("exit")?.addEventListener("click", () => exit(first));
  at("smoothing").addEventListener("input", smooth);
  addEventListener("pagehide", () => stop());
  return leave;
}
